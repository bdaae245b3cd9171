"""Relay's connections: opaque cursors, keyset windows, refusals that say the limit."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import strawberry

from hub.errors import Code, Refused
from hub.signals import iso
from hub.store.pages import Found, Key, Window

PAGE = 20
LARGEST_PAGE = 1000  # whatever HUB_MAX_PAGE says, by which `hub.graphql.measure` has judged before

# The arguments that many fields share, each described once.
First = Annotated[
    int | None,
    strawberry.argument(
        description="So many from the front: 20 unless said, at most 100 or what HUB_MAX_PAGE says."
    ),
]
After = Annotated[str | None, strawberry.argument(description="Only what follows this cursor.")]
Last = Annotated[
    int | None,
    strawberry.argument(
        description="So many from the back: at most 100, or what HUB_MAX_PAGE says."
    ),
]
Before = Annotated[str | None, strawberry.argument(description="Only what precedes this cursor.")]
RoleName = Annotated[str, strawberry.argument(description="One of your roles, by name.")]
MinScore = Annotated[
    float | None,
    strawberry.argument(description="From this score on; by default the role's own threshold."),
]
IdOf = Annotated[strawberry.ID, strawberry.argument(description="The id.")]
IdsOf = Annotated[
    list[strawberry.ID], strawberry.argument(description="The ids: as many as a page.")
]
SignalId = Annotated[strawberry.ID, strawberry.argument(description="The signal's id.")]
SourceName = Annotated[str, strawberry.argument(description="The source's name in hub.toml.")]


class Day(int):
    """A number in a column of 32 bits."""


@strawberry.interface(description="Anything with an id that `node` finds again.")
class Node:
    id: strawberry.ID = strawberry.field(description="Unique among everything the hub knows.")


@strawberry.federation.type(shareable=True, description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follow.")
    has_previous_page: bool = strawberry.field(description="Whether more precede.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first edge.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last edge.")


def write_cursor(kind: str, key: Key) -> str:
    """Write a key as an opaque cursor that only its own list takes."""
    parts = [iso(part) if isinstance(part, datetime) else part for part in key]
    return urlsafe_b64encode(orjson.dumps([kind, *parts])).rstrip(b"=").decode()


def read_cursor(kind: str, cursor: str, shape: tuple[type, ...]) -> Key:
    """Read a cursor back. Raises Refused(BAD_CURSOR) for anything this list did not write."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = orjson.loads(urlsafe_b64decode(padded))
        written, *key = (_part(*pair) for pair in zip(parts, (str, *shape), strict=True))
    except (ValueError, TypeError, OverflowError):
        written, key = None, []
    if written != kind:
        raise Refused(
            Code.BAD_CURSOR,
            "That cursor is not one of this list",
            "Pass a cursor of this field's own edges, or none to begin at the start",
        )
    return tuple(key)


def _part(part: Any, type_: type) -> Any:
    if type_ is datetime and isinstance(part, str):
        at = datetime.fromisoformat(part)
        if at.tzinfo is None:
            raise ValueError(part)
        return at.astimezone(UTC)  # OverflowError for a time that no calendar has
    if type_ is float and isinstance(part, (int, float)) and not isinstance(part, bool):
        return float(part)
    if type_ is Day and type(part) is int and abs(part) < 2**31:
        return part
    if type_ is int and type(part) is int and abs(part) < 2**63:
        return part
    if type_ is str and isinstance(part, str) and "\0" not in part:
        return part
    raise ValueError(part)


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a list: Relay's four arguments."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None


def window(
    kind: str,
    shape: tuple[type, ...],
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
) -> Window:
    """Read Relay's four arguments. Raises Refused with the limit that was met."""
    if first is not None and last is not None:
        raise Refused(Code.INVALID, "Give either first or last, not both")
    name, size = ("last", last) if last is not None else ("first", PAGE if first is None else first)
    assert size is not None
    if size < 1:
        raise Refused(Code.INVALID, f"{name} must be at least 1")
    if size > LARGEST_PAGE:
        raise Refused(
            Code.PAGE_TOO_LARGE,
            f"{name}: {size} is more than a page may hold",
            f"Ask for at most {LARGEST_PAGE} and page on with a cursor",
            {"limit": LARGEST_PAGE},
        )
    return Window(
        size,
        after=read_cursor(kind, after, shape) if after is not None else None,
        before=read_cursor(kind, before, shape) if before is not None else None,
        backward=last is not None,
    )


def page_info(kind: str, found: Found[Any]) -> PageInfo:
    keys = [key for key, _ in found.items]
    return PageInfo(
        has_next_page=found.has_next,
        has_previous_page=found.has_previous,
        start_cursor=write_cursor(kind, keys[0]) if keys else None,
        end_cursor=write_cursor(kind, keys[-1]) if keys else None,
    )


LOG = "log"


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody stands in the log; `scope`: what they might see there, if it is known."""

    seq: int
    scope: str | None = None


def log_cursor(seq: int, scope: str | None = None) -> str:
    """Write a position in the change log: what `after` of a subscription takes."""
    return write_cursor(LOG, (seq,) if scope is None else (seq, scope))


def read_log_cursor(cursor: str) -> int:
    """Read which line of the log a cursor comes after. Raises Refused."""
    return read_log_place(cursor).seq


def read_log_place(cursor: str) -> Place:
    """Read a position back, also one of a version that wrote no scope. Raises Refused."""
    try:
        place = Place(*read_cursor(LOG, cursor, (int, str)))
    except Refused:
        place = Place(*read_cursor(LOG, cursor, (int,)))
    if place.seq < 0:
        raise Refused(Code.BAD_CURSOR, "That cursor is before the beginning")
    return place
