"""Judging a vendor's answer: what it means for the poll, in words for a person."""

import contextlib
import html
import json
import re
from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeAlias

import httpx2
import orjson

from hub.errors import AuthFailed, RateLimited, SourceError, SourceMisbehaved, SourceUnavailable
from hub.http.limits import retry_after, used_up

EXCERPT = 200
_REDIRECTS = frozenset({300, 301, 302, 303, 305, 306, 307, 308})
_TRANSIENT = frozenset({408, 425})  # the request came too slowly, or too early: ask again

Clean: TypeAlias = Callable[[str], str]
"""Takes the secrets out of a text: vendors quote the token that they refuse."""


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
    if status == 429 or (status == 403 and used_up(headers)):
        return RateLimited(words, retry_after(headers, now=datetime.now(UTC)))
    if status in {401, 403}:
        return AuthFailed(words)
    if status >= 500 or status in _TRANSIENT:
        return SourceUnavailable(words)
    words = f"{said} for {path}: {excerpt}" if excerpt else f"{said} for {path}"
    return SourceMisbehaved(words, status=status)


def decode(content: bytes, headers: Mapping[str, str], *, host: str) -> Any:
    """Read JSON, leniently: a lone surrogate or NaN in one record may not cost the whole page."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        pass
    with contextlib.suppress(ValueError, RecursionError):
        read = json.loads(content.decode("utf-8-sig"), parse_constant=lambda _: None)
        return orjson.loads(json.dumps(read, ensure_ascii=False).encode(errors="replace"))
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not content.strip():
        what = "an empty body"
    elif "json" in kind or not kind:
        what = "something that cannot be read as JSON"
    else:
        what = kind
    raise SourceMisbehaved(f"{host} answered with {what}, not JSON")


def message_of(body: bytes, clean: Clean) -> str:
    """Find what the vendor wanted to say: the message within its JSON, else the text."""
    try:
        said = _said(orjson.loads(body))
    except orjson.JSONDecodeError:
        text = body.decode(errors="replace")
        if title := re.search(r"<title[^>]*>([^<]{1,500})", text, re.IGNORECASE):
            said = html.unescape(title[1])
        else:
            said = re.sub(r"<[^<>]{0,1000}>", " ", text[:4000])
    said = clean(" ".join("".join(c if c.isprintable() else " " for c in said).split()))
    # Shortened after it is cleaned: half a secret would not be recognised.
    return said if len(said) <= EXCERPT else said[: EXCERPT - 1] + "…"


_SPEAKING = ("message", "error_description", "detail", "description", "title", "error", "errors")


def _said(value: Any, depth: int = 4) -> str:
    if isinstance(value, str):
        return value
    if depth and isinstance(value, list):
        return next((said for item in value if (said := _said(item, depth - 1))), "")
    if depth and isinstance(value, dict):
        return next((said for name in _SPEAKING if (said := _said(value.get(name), depth - 1))), "")
    return ""


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
