"""What one request brought, and what every family does with it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from hub.connector.clock import now
from hub.connector.text import utc
from hub.errors import BadRecord, SourceMisbehaved
from hub.signals import Json

EXPIRED = frozenset({400, 404, 410})
"""How vendors refuse the token of a page that they no longer keep."""

When: TypeAlias = Callable[[Any], datetime]


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one request; `next` asks for those that follow, None where none do.

    An empty batch with a `next` is not the end.
    """

    records: Sequence[Any]
    next: Json = None


@dataclass(frozen=True, slots=True)
class Delta:
    """The records since a token, and the token that follows; `more`: ask again at once."""

    records: Sequence[Any]
    token: Json
    more: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that exists now; `validators` are sent back with the next request."""

    records: Iterable[Any]
    validators: Mapping[str, Json] = field(default_factory=dict)


def times(records: Iterable[Any], when: When) -> list[datetime]:
    """List the times of those records that have one: the others are set aside when read."""
    found: list[datetime] = []
    for record in records:
        try:
            found.append(when(record))
        except (BadRecord, LookupError, TypeError, ValueError, AttributeError):
            continue
    return found


def latest(known: datetime | None, found: Iterable[datetime]) -> datetime | None:
    """Take the newest time, never one to come: a record of the year 2099 would hide all others."""
    today = now()
    return max((min(at, today) for at in (known, *found) if at is not None), default=None)


def earliest(known: datetime | None, found: Iterable[datetime]) -> datetime | None:
    return min((at for at in (known, *found) if at is not None), default=None)


def moment(value: Json) -> datetime | None:
    """Read a time that a cursor holds."""
    return utc(value) if isinstance(value, str) else None


def word(at: datetime | None) -> str | None:
    """Write a time for a cursor."""
    return None if at is None else at.astimezone(UTC).isoformat()


def whole(value: Json) -> int:
    """Read a count that a cursor holds."""
    return value if isinstance(value, int) else 0


def moved(before: Json, after: Json) -> Json:
    """Give the next place. Raises SourceMisbehaved where it is the same: it would never end."""
    if after == before:
        raise SourceMisbehaved("the next page is this page again")
    return after
