"""Brings drafts to one form: clean text, safe links, sizes that the hub can carry. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson

from hub import traces
from hub.connector import AccountRef, Bad, Draft, Page, PersonRef
from hub.kinds import Department
from hub.signals import Classification, Json, Origin, Status

TITLE, SUMMARY, BODY, LABEL, ATTRIBUTES = 300, 2_000, 100_000, 100, 64 * 1024

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_LINES = re.compile("\n\n\n+")


@dataclass(frozen=True, slots=True)
class Reading:
    """Whose drafts these are, and what hub.toml says about them."""

    source: str
    origin: Origin = Origin.POLL
    notify_after: datetime | None = None
    classification: Classification | None = None
    department: Department | None = None


@traces.step
def normalize(page: Page, reading: Reading) -> tuple[list[Draft], list[Bad]]:
    """Bring each draft to the hub's form; one that the hub cannot carry joins the bad ones."""
    drafts: list[Draft] = []
    bad = [_readable(one) for one in page.bad]
    for draft in page.drafts:
        attributes, size = _attributes(draft.attributes)
        if size > ATTRIBUTES:
            reason = f"attributes of {size} bytes; the hub carries {ATTRIBUTES}"
            bad.append(Bad(reason, {"title": draft.title}, draft.external_id))
            continue
        if problem := _problem(draft):
            bad.append(_readable(Bad(problem, draft.title, draft.external_id)))
            continue
        drafts.append(_one(draft, reading, attributes))
    return drafts, bad


def _problem(draft: Draft) -> str | None:
    """Say what of a draft could not be stored, so that it does not hold up its page for ever."""
    for name in ("title", "external_id", "revision"):
        if not _line(getattr(draft, name), TITLE):
            return f"{name}: nothing readable in it"
    for name in ("occurred_at", "revised_at"):
        try:
            getattr(draft, name).astimezone(UTC)
        except OverflowError:
            return f"{name}: a time that no calendar has"
    return None


def _readable(bad: Bad) -> Bad:
    id_ = shown(bad.external_id) if bad.external_id else None
    return Bad(shown(bad.reason), bad.raw, id_)


def _one(draft: Draft, reading: Reading, attributes: dict[str, Json]) -> Draft:
    changes: dict[str, Any] = {
        "external_id": shown(draft.external_id),
        "revision": shown(draft.revision),
        "thread": shown(draft.thread) if draft.thread else None,
        "account": _clean_ref(draft.account),
        "author": _clean_ref(draft.author),
        "owner": _clean_ref(draft.owner),
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
        changes |= {"attributes": {}, "labels": (), "sentiment": None, "url": None}
        changes |= {"account": None, "author": None, "owner": None, "thread": None}
    return _changed(draft, changes)


_Model = TypeVar("_Model", Draft, AccountRef, PersonRef)


def _changed(model: _Model, values: Mapping[str, Any]) -> _Model:
    """Copy only what differs: most of what comes is in the hub's form already."""
    have = vars(model)
    changes = {name: value for name, value in values.items() if value != have[name]}
    return model.model_copy(update=changes) if changes else model


_Ref = TypeVar("_Ref", AccountRef, PersonRef)


def _clean_ref(ref: _Ref | None) -> _Ref | None:
    """Clean the texts of a reference; one without a name left names nobody."""
    if ref is None:
        return None
    texts = {name: shown(text) if text else None for name, text in vars(ref).items()}
    name = _line(texts["name"] or "", TITLE)
    return _changed(ref, {**texts, "name": name}) if name else None


def shown(text: str) -> str:
    """Take out what cannot be shown or stored. Most texts have none of it, which is soon seen."""
    return text if text.replace("\n", "").isprintable() else _CONTROL.sub("", text)


def _line(text: str, limit: int) -> str:
    return _cut(" ".join(shown(text).split()), limit)


def _text(text: str, limit: int) -> str:
    return _cut(_LINES.sub("\n\n", shown(text.replace("\r\n", "\n"))).strip(), limit)


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
        return shown(value)
    if isinstance(value, dict):
        return {shown(str(key)): _clean(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_clean(part) for part in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value
