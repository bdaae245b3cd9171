"""What the body of a refusal says: to people, to programs, and how long to wait."""

import html
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeAlias

import orjson

EXCERPT = 200

Clean: TypeAlias = Callable[[str], str]
"""Takes the secrets out of a text: vendors quote the token that they refuse."""

_SPEAKING = (
    "message",
    "error_description",
    "detail",
    "description",
    "title",
    "value",
    "error",
    "errors",
)
_CODES = ("error", "errorCode", "errcode", "code", "type", "reason", "category", "errorType")
_INNER = ("error", "errors", "parameters")
# https://developers.hubspot.com/docs/api/usage-details: which of its limits is reached; that of
# the day ends at midnight somewhere, so it is asked again within the hour.
_POLICIES = {
    "SECONDLY": timedelta(seconds=1),
    "TEN_SECONDLY_ROLLING": timedelta(seconds=10),
    "DAILY": timedelta(hours=1),
}
_SECONDS = ("retry_after", "retryAfter", "retry_after_seconds", "retryAfterSeconds")
_MILLISECONDS = ("retry_after_ms", "retryAfterMs")


def message_of(body: bytes, clean: Clean) -> str:
    """Find what the vendor wanted to say: the message within its JSON, else the text."""
    said = _message(body)
    said = clean(" ".join("".join(c if c.isprintable() else " " for c in said).split()))
    # Shortened after it is cleaned: half a secret would not be recognised.
    return said if len(said) <= EXCERPT else said[: EXCERPT - 1] + "…"


def codes_of(body: bytes) -> set[str]:
    """List the words by which programs tell refusals apart, from JSON of most shapes."""
    return {
        part[name]
        for part in _parts(_json(body), 3)
        for name in _CODES
        if isinstance(part.get(name), str)
    }


def wait_of(body: bytes) -> timedelta | None:
    """Read how long to wait from the body of a 429: Discord, Telegram, Matrix, HubSpot."""
    for part in _parts(_json(body), 2):
        for names, unit in ((_SECONDS, 1.0), (_MILLISECONDS, 0.001)):
            for name in names:
                wait = part.get(name)
                if isinstance(wait, int | float) and 0 <= wait < 1e9:
                    return timedelta(seconds=wait * unit)
        if (policy := part.get("policyName")) in _POLICIES:
            return _POLICIES[policy]
    return None


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _parts(value: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """Give the objects that an error's JSON is made of, the outermost first."""
    if isinstance(value, list) and depth:
        for item in value[:10]:
            yield from _parts(item, depth - 1)
    elif isinstance(value, dict):
        yield value
        for name in _INNER if depth else ():
            yield from _parts(value.get(name), depth - 1)


def _message(body: bytes) -> str:
    try:
        return _said(orjson.loads(body))
    except orjson.JSONDecodeError:
        text = body.decode(errors="replace")
    if title := re.search(r"<title[^>]*>([^<]{1,500})", text, re.IGNORECASE):
        return html.unescape(title[1])
    return re.sub(r"<[^<>]{0,1000}>", " ", text[:4000])


def _said(value: Any, depth: int = 4) -> str:
    if isinstance(value, str):
        return value
    if depth and isinstance(value, list):
        return next((said for item in value if (said := _said(item, depth - 1))), "")
    if depth and isinstance(value, dict):
        return next((said for name in _SPEAKING if (said := _said(value.get(name), depth - 1))), "")
    return ""
