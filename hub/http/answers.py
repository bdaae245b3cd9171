"""Judging a vendor's answer: what it means for the poll, in words for a person."""

import contextlib
import html
import json
import re
from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import httpx2
import orjson

from hub.errors import AuthFailed, RateLimited, SourceError, SourceMisbehaved, SourceUnavailable
from hub.http.limits import retry_after, used_up

EXCERPT = 200


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
    status: int, headers: Mapping[str, str], body: bytes, *, host: str, path: str
) -> SourceError | None:
    """Sort an answer by what to do about it; None for one that is to be used."""
    if 200 <= status < 300:
        return None
    said = f"{host} answered {_named(status)}"
    excerpt = message_of(body)
    words = f"{said}: {excerpt}" if excerpt else said
    if 300 <= status < 400:
        return SourceMisbehaved(
            f"{host} redirects {path} to {_target(headers)}, which is not followed",
            status=status,
        )
    if status == 429 or (status == 403 and used_up(headers)):
        return RateLimited(words, retry_after(headers, now=datetime.now(UTC)))
    if status in {401, 403}:
        return AuthFailed(words)
    if status >= 500 or status in {408, 425}:
        return SourceUnavailable(words)
    return SourceMisbehaved(
        f"{said} for {path}: {excerpt}" if excerpt else f"{said} for {path}", status=status
    )


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


def message_of(body: bytes) -> str:
    """Find what the vendor wanted to say: the message within its JSON, else the text."""
    try:
        said = _said(orjson.loads(body))
    except orjson.JSONDecodeError:
        text = body.decode(errors="replace")
        if title := re.search(r"<title[^>]*>([^<]{1,500})", text, re.IGNORECASE):
            said = html.unescape(title[1])
        else:
            said = re.sub(r"<[^<>]{0,1000}>", " ", text[:4000])
    said = " ".join("".join(c if c.isprintable() else " " for c in said[:4000]).split())
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


def _target(headers: Mapping[str, str]) -> str:
    try:
        return httpx2.URL(headers.get("location", "")).host or "another path"
    except httpx2.InvalidURL:
        return "somewhere that is no URL"
