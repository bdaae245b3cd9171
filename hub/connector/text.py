"""Reading what vendors write: times, and text that is HTML."""

import html
import json
import re
from datetime import UTC, datetime
from typing import Any

import orjson

# html.parser takes quadratic time over unclosed tags and fails at `<![<`: this does neither.
_MARKUP = re.compile(
    r"<!--.*?(?:-->|\Z)|<(?P<silent>script|style)\b.*?(?:</(?P=silent)\s*>|\Z)"
    r"|<(?P<end>/?)(?P<tag>[a-z][\w:-]*+)[^<>]*+>|<!\[CDATA\[|\]\]>|<[!?][^<>]*>",
    re.IGNORECASE | re.DOTALL,
)
# In a title, `<T>` is more likely meant as it stands than an element that nobody knows.
_INLINE = re.compile(r"</?(?:[\w-]+:)?(?:a|b|i|u|s|q|p|em|div|span|strong|title)\b[^<>]*+>")
_LINES = {"br": "\n", "li": "\n- ", "tr": "\n", "td": " ", "th": " "}
_BLOCK = re.compile(r"p|div|[uod]l|d[dt]|h[1-6r]|pre|table|blockquote|figure|section|article")


def utc(value: str | float) -> datetime:
    """Read an ISO time or seconds since 1970 as aware UTC; a time without zone is UTC."""
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    read = datetime.fromisoformat(value)
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def plain(markup: str) -> str:
    """Turn HTML into text; its paragraphs, lines and lists stay apart."""
    marks = list(_MARKUP.finditer(markup))
    parts: list[str] = []
    start, verbatim = 0, not any(mark["tag"] for mark in marks)
    for end, mark in [*((mark.start(), mark) for mark in marks), (len(markup), None)]:
        text = html.unescape(markup[start:end])
        parts.append(text if verbatim else re.sub(r"\s+", " ", text))
        if mark:
            start, tag = mark.end(), (mark["tag"] or "").lower().rpartition(":")[2]
            verbatim = not mark["end"] if tag == "pre" else verbatim
            line = "\n\n" if _BLOCK.fullmatch(tag) else ""
            parts.append(line or ("" if mark["end"] else _LINES.get(tag, "")))
    lines = "\n".join(" ".join(line.split()) for line in "".join(parts).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).strip()


def line(markup: str) -> str:
    """Turn the HTML of a title into one line; what looks like an unknown element is meant."""
    return " ".join(html.unescape(_INLINE.sub("", markup)).split())


def read_json(content: bytes) -> Any:
    """Read JSON, leniently: a lone surrogate or NaN in one record may not cost the whole page.

    Raises ValueError.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        pass
    try:
        read = json.loads(content.decode("utf-8-sig"), parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return orjson.loads(json.dumps(read, ensure_ascii=False).encode(errors="replace"))
