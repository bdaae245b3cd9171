"""Judging a vendor's answer: what it means for the poll, in words for a person."""

import contextlib
import re
from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import httpx2

from hub.connector.text import read_json
from hub.errors import AuthFailed, RateLimited, SourceError, SourceMisbehaved, SourceUnavailable
from hub.http.limits import retry_after, used_up
from hub.http.said import Clean, codes_of, message_of

_REDIRECTS = frozenset({300, 301, 302, 303, 305, 306, 307, 308})
# The request came too slowly, or too early, or while the account is moved (HubSpot's 477).
_TRANSIENT = frozenset({408, 425, 477})
# A 403 that means a 429.
_LIMITS = frozenset(
    {
        # https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
        "REQUEST_LIMIT_EXCEEDED",
        # https://developers.google.com/workspace/calendar/api/guides/errors
        "rateLimitExceeded",
        "userRateLimitExceeded",
        "quotaExceeded",
    }
)
# GitHub has "a secondary rate limit"; GDELT asks to "limit requests to one every 5 seconds".
_LIMITED = re.compile(r"rate.?limit|too many requests|limit requests", re.IGNORECASE)
# A 400 that means a 401: https://atproto.com/specs/xrpc#error-responses, RFC 6750, Slack.
_OVER = frozenset({"ExpiredToken", "InvalidToken", "invalid_token", "token_expired"})
# A 422 that means a 401: Mastodon, of a token that belongs to an application and to nobody.
_NOBODY = re.compile(r"requires an authenticated user", re.IGNORECASE)


async def read_body(response: httpx2.Response, most: int) -> tuple[bytes, bool]:
    """Read the decoded body, at most that many bytes; tell whether that is the whole of it."""
    chunks: list[bytes] = []
    size = 0
    async with aclosing(response.aiter_bytes()) as body:
        async for chunk in body:
            chunks.append(chunk[: most - size])
            size += len(chunk)
            if size > most or response.num_bytes_downloaded > most:
                return b"".join(chunks), False
    return b"".join(chunks), True


def judge(
    status: int, headers: Mapping[str, str], body: bytes, *, host: str, path: str, clean: Clean
) -> SourceError | None:
    """Sort an answer by what to do about it; None for one that is to be used."""
    if 200 <= status < 300:
        return None
    path = clean(path)
    if status in _REDIRECTS:
        to = clean(_target(headers, host))
        return SourceMisbehaved(
            f"{host} redirects {path} to {to}, which is not followed", status=status
        )
    said = f"{host} answered {_named(status)}"
    excerpt = message_of(body, clean)
    words = f"{said}: {excerpt}" if excerpt else said
    if _is_limit(status, headers, body, excerpt):
        return RateLimited(words, retry_after(headers, body, now=datetime.now(UTC)))
    if _is_closed(status, body, excerpt):
        return AuthFailed(words, status=status)
    if status >= 500 or status in _TRANSIENT:
        return SourceUnavailable(words)
    words = f"{said} for {path}: {excerpt}" if excerpt else f"{said} for {path}"
    return SourceMisbehaved(words, _UNSEEN if status == 404 else "", status=status)


# GitHub and others say that what may not be seen is not there.
_UNSEEN = "See whether its name is right, and whether the sign-in may see it"


def _is_limit(status: int, headers: Mapping[str, str], body: bytes, said: str) -> bool:
    """Tell a limit that is reached from a door that is closed: some vendors say 403 for both."""
    if status == 403:
        return used_up(headers) or bool(codes_of(body) & _LIMITS or _LIMITED.search(said))
    return status == 429


def _is_closed(status: int, body: bytes, said: str) -> bool:
    """Tell what the owner must mend: the sign-in, what it may see, or what is paid for."""
    return (
        status in {401, 402, 403}
        or (status == 400 and bool(codes_of(body) & _OVER))
        or (status == 422 and _NOBODY.search(said) is not None)
    )


def decode(
    content: bytes, headers: Mapping[str, str], *, host: str, clean: Clean = lambda text: text
) -> Any:
    """Read JSON, leniently: a lone surrogate or NaN in one record may not cost the whole page.

    Raises SourceMisbehaved, or RateLimited where a sentence in its place asks to slow down.
    """
    with contextlib.suppress(ValueError):
        return read_json(content)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    said = ""
    if not content.strip():
        what = "an empty body"
    elif "json" in kind or not kind:
        what = "something that cannot be read as JSON"
    else:
        what, said = kind, message_of(content[:4000], clean)
    words = f"{host} answered with {what}, not JSON" + (f": {said}" if said else "")
    if said and _LIMITED.search(said):
        raise RateLimited(words, retry_after(headers, now=datetime.now(UTC)))
    raise SourceMisbehaved(words)


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _target(headers: Mapping[str, str], host: str) -> str:
    """Name the place without its query, which may hold a ticket."""
    try:
        to = httpx2.URL(headers.get("location", ""))
    except httpx2.InvalidURL:
        return "somewhere that is no URL"
    return f"{to.scheme or 'the same'}://{to.host or host}{to.path}"
