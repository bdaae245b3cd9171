"""Brings drafts to one form: clean text, safe links, sizes that the hub can carry. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from hub.connector import Bad, Draft, Page
from hub.signals import Classification, Department, Json, Origin, Status

TITLE, SUMMARY, BODY, LABEL, ATTRIBUTES = 300, 2_000, 100_000, 100, 64 * 1024

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_SPACE = re.compile(r"\s+")
_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Reading:
    """Whose drafts these are, and what hub.toml says about them."""

    source: str
    origin: Origin = Origin.POLL
    notify_after: datetime | None = None
    classification: Classification | None = None
    department: Department | None = None


def normalize(page: Page, reading: Reading) -> tuple[list[Draft], list[Bad]]:
    """Bring each draft to the hub's form; one that the hub cannot carry joins the bad ones."""
    drafts: list[Draft] = []
    bad = list(page.bad)
    for draft in page.drafts:
        attributes, size = _attributes(draft.attributes)
        if size > ATTRIBUTES:
            reason = f"attributes of {size} bytes; the hub carries {ATTRIBUTES}"
            bad.append(Bad(reason, {"title": draft.title}, draft.external_id))
            continue
        if not _line(draft.title, TITLE):
            bad.append(Bad("title: nothing readable in it", draft.title, draft.external_id))
            continue
        drafts.append(_one(draft, reading, attributes))
    return drafts, bad


def _one(draft: Draft, reading: Reading, attributes: dict[str, Json]) -> Draft:
    changes: dict[str, Any] = {
        "title": _line(draft.title, TITLE),
        "summary": _line(draft.summary, SUMMARY),
        "body": (_text(draft.body, BODY) or None) if draft.body else None,
        "url": draft.url if draft.url and _is_link(draft.url) else None,
        "labels": tuple(dict.fromkeys(filter(None, (_line(one, LABEL) for one in draft.labels)))),
        "attributes": attributes,
    }
    if reading.classification is not None:
        changes["classification"] = reading.classification
    if reading.department is not None:
        changes["department"] = reading.department
    if draft.status is Status.DELETED:
        # Gone at its source: what it said is gone here too; that it was there remains.
        changes |= {"title": "Deleted at its source", "summary": "", "body": None}
        changes |= {"attributes": {}, "labels": (), "sentiment": None}
    return draft.model_copy(update=changes)


def _line(text: str, limit: int) -> str:
    return _cut(_SPACE.sub(" ", _CONTROL.sub("", text)).strip(), limit)


def _text(text: str, limit: int) -> str:
    return _cut(_LINES.sub("\n\n", _CONTROL.sub("", text.replace("\r\n", "\n"))).strip(), limit)


def _cut(text: str, limit: int) -> str:
    """Shorten visibly: the reader sees that something follows, at the signal's link."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _is_link(url: str) -> bool:
    """Take web links only: a `javascript:` link must not reach a page."""
    return url.startswith(("https://", "http://")) and not _CONTROL.search(url) and " " not in url


def _attributes(attributes: dict[str, Json]) -> tuple[dict[str, Json], int]:
    try:
        written = orjson.dumps(attributes)
    except (TypeError, ValueError):  # a lone surrogate, or an integer beyond 64 bits
        attributes = _clean(attributes)
        written = orjson.dumps(attributes)
    if b"\\u0000" in written:  # PostgreSQL's jsonb refuses it
        attributes = _clean(attributes)
    return attributes, len(written)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _CONTROL.sub("", value)
    if isinstance(value, dict):
        return {_CONTROL.sub("", str(key)): _clean(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_clean(part) for part in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value
