"""The family of lists that tell what exists now, as hub.toml writes it."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from hub.connector.clock import now
from hub.connector.configured.requests import Listed
from hub.connector.cursors import Seen, Snapshot
from hub.connector.described import Described
from hub.connector.drafts import Cursor, Draft, Page
from hub.connector.mapping import Fields, KindName
from hub.errors import BadRecord, SourceMisbehaved
from hub.signals import Json, Status

MOST_PAGES = 1000  # of one snapshot, which is compared as a whole
_KEPT = {"title", "kind", "url", "severity", "classification", "department", "account", "author",
         "owner", "labels", "thread", "occurred_at"}  # fmt: skip

Look: TypeAlias = Callable[[Json, Mapping[str, Json]], Awaitable[Listed | None]]
"""Asks for the page at a place; None where it is as the validators say."""


class Gone(Described):
    """What becomes of the signal of a record that is in the list no longer."""

    status: Status = Status.RESOLVED
    """resolved, or deleted: then its words are withdrawn."""
    kind: KindName | None = None
    """Without it, the kind stays."""


@dataclass(frozen=True, slots=True)
class _Ended:
    key: str
    kept: Mapping[str, Any]


class ByComparison(Described):
    """A list of what exists now: it is compared with what existed before."""

    family: Literal["snapshot"]
    gone: Gone | None = None
    """Without it, a record that vanishes is forgotten, and its signal stays as it was."""

    def lacks(self, fields: Fields) -> str | None:
        del fields
        return None

    def pages(self, cursor: Cursor, look: Look, fields: Fields) -> AsyncIterator[Page]:
        seen = now()

        def read(record: Any, rounds: int) -> Draft | None:
            if isinstance(record, _Ended):
                return self._ended(record, rounds, seen)
            if self.gone is None and fields.revised_at is not None:
                return fields.draft(record, seen)
            draft = fields.draft(record, seen, seen_before=rounds)
            # What vanished may come back as it was: the order is that in which it was seen.
            return draft and draft.model_copy(update={"revised_at": seen})

        def keep(record: Any) -> Json:
            if self.gone is None or (draft := _draft(fields, record, seen)) is None:
                return None
            kept: Json = draft.model_dump(mode="json", include=_KEPT, exclude_defaults=True)
            return kept

        return Snapshot().pages(
            cursor,
            lambda validators: _whole(look, validators),
            key=lambda record: _key(fields, record, seen),
            version=lambda record: _version(fields, record, seen),
            read=read,
            keep=keep,
            gone=(lambda key, kept: _Ended(key, kept or {})) if self.gone else None,
        )

    def _ended(self, record: _Ended, rounds: int, seen: datetime) -> Draft | None:
        if self.gone is None or not record.kept:
            return None  # it was no signal
        said: dict[str, Any] = dict(record.kept) | {"status": self.gone.status}
        if self.gone.kind is not None:
            said |= {"kind": self.gone.kind, "occurred_at": seen}
            said.pop("severity", None)  # that of the kind it was
        return Draft(**said, external_id=record.key, revision=f"gone-{rounds}", revised_at=seen)


async def _whole(look: Look, validators: Mapping[str, Json]) -> Seen | None:
    """Read every page: what is on none of them is gone."""
    records: list[Any] = []
    place: Json = None
    for _ in range(MOST_PAGES):
        listed = await look(place, validators)
        if listed is None:
            return None
        records += listed.records
        if listed.next is None:
            return Seen(records, listed.validators)
        if listed.next == place:
            raise SourceMisbehaved("the next page is this page again")
        place = listed.next
    raise SourceMisbehaved(f"the list has more than {MOST_PAGES} pages; ask for less of it")


def _draft(fields: Fields, record: Any, seen: datetime) -> Draft | None:
    try:
        return fields.draft(record, seen)
    except BadRecord:
        return None  # it is set aside where it is read


def _key(fields: Fields, record: Any, seen: datetime) -> str:
    """Name a record as its signal is named; what is none is known by what it says."""
    draft = _draft(fields, record, seen)
    return _digest(record) if draft is None else draft.external_id


def _version(fields: Fields, record: Any, seen: datetime) -> str:
    draft = _draft(fields, record, seen)
    return _digest(record) if draft is None else draft.revision


def _digest(record: Any) -> str:
    text = json.dumps(record, sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]
