"""What vendors pushed: stored as it came, read later. A row is the job, and then the raw record."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import case, func, literal_column, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.connector import Pushed
from hub.signals import new_id
from hub.store.clock import clock
from hub.store.columns import among
from hub.store.identities import insert_new
from hub.store.tables import PushRecordRow, PushRow, table

_PUSHES = table(PushRow)
_RECORDS = table(PushRecordRow)
# Written out: only so do the engines know that the index of what waits will do.
_WAITS = _PUSHES.c.state == literal_column("'waiting'")

AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)  # by any clock, so that none has to be asked


class PushState(StrEnum):
    WAITING = "waiting"
    READ = "read"
    UNREADABLE = "unreadable"  # it is among the quarantined; the vendor may send it again


@dataclass(frozen=True, slots=True)
class Push:
    """One stored request. `attempt` is the try it is claimed for, from 1."""

    id: str
    source: str
    delivery: str
    event: Pushed
    state: PushState
    attempt: int


async def add_push(
    connection: AsyncConnection, source: str, event: Pushed, delivery: str | None
) -> str | None:
    """Store a request to be read; None where this delivery is here already.

    Without the vendor's id of it the same content is the same delivery. One that could not be read
    is read once more: people ask a vendor to send again what their mended configuration can read.
    """
    upsert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    row = upsert(PushRow).values(
        id=new_id(),
        source=source,
        delivery=delivery or _digest(event),
        method=event.method,
        url=event.url,
        headers=dict(event.headers),
        body=event.body,
        received_at=event.received_at,
        state=PushState.WAITING,
        attempt=0,
        due_at=AT_ONCE,
    )
    again = {"state": PushState.WAITING, "attempt": 0, "due_at": AT_ONCE, "settled_at": None}
    id_: str | None = await connection.scalar(
        row.on_conflict_do_update(
            index_elements=["source", "delivery"],
            set_=again | {name: row.excluded[name] for name in ("body", "headers", "url")},
            where=col(PushRow.state) == PushState.UNREADABLE,
        ).returning(col(PushRow.id))
    )
    return id_


def _digest(event: Pushed) -> str:
    said = sha256()
    for part in (event.method.encode(), event.url.encode(), event.body):
        said.update(len(part).to_bytes(8) + part)
    return f"sha256:{said.hexdigest()}"


async def claim_pushes(
    connection: AsyncConnection, sources: Sequence[str], at: datetime, lease: timedelta, limit: int
) -> list[Push]:
    """Take pushes to these sources that wait to be read, those that came first."""
    due = (
        select(_PUSHES.c.id)
        .where(
            _WAITS,
            _PUSHES.c.due_at <= at,
            among(_PUSHES.c.source, sources),
            or_(_PUSHES.c.lease_until.is_(None), _PUSHES.c.lease_until < at),
        )
        .order_by(_PUSHES.c.due_at, _PUSHES.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    rows = await connection.execute(
        update(PushRow)
        .where(col(PushRow.id).in_(select(due.c.id)))
        .values(lease_until=at + lease, attempt=PushRow.attempt + 1)
        .returning(*_PUSHES.c)
    )
    return sorted((_read(row) for row in rows), key=lambda one: one.id)


async def next_push_in(connection: AsyncConnection, sources: Sequence[str]) -> timedelta | None:
    """Tell how long until one is due: one under way when its lease would end."""
    at = case(
        (_PUSHES.c.lease_until > _PUSHES.c.due_at, _PUSHES.c.lease_until), else_=_PUSHES.c.due_at
    )
    first: datetime | None = await connection.scalar(
        select(func.min(at, type_=_PUSHES.c.due_at.type)).where(
            _WAITS, among(_PUSHES.c.source, sources)
        )
    )
    return None if first is None else first - await clock(connection)


async def prolong_pushes(
    connection: AsyncConnection, attempts: Mapping[str, int], lease_until: datetime
) -> None:
    """Hold pushes (attempt by id) a while longer; those that are no longer ours stay."""
    await connection.execute(
        update(PushRow)
        .where(
            tuple_(col(PushRow.id), col(PushRow.attempt)).in_(list(attempts.items())),
            col(PushRow.state) == PushState.WAITING,
            col(PushRow.lease_until).is_not(None),
        )
        .values(lease_until=lease_until)
    )


async def settle_push(
    connection: AsyncConnection, push: Push, state: PushState, at: datetime
) -> bool:
    """Record how reading ended, in the transaction of what was read; a late one changes nothing."""
    return await _settle(connection, push, state=state, settled_at=at)


async def link_records(connection: AsyncConnection, push: Push, ids: Iterable[str]) -> None:
    """Note which records a push tells of, by their ids at the source."""
    rows = [
        {"source": push.source, "external_id": id_, "push_id": push.id} for id_ in sorted(set(ids))
    ]
    if rows:
        await connection.execute(insert_new(connection, PushRecordRow), rows)


async def erase_pushes(connection: AsyncConnection, source: str, ids: Iterable[str]) -> None:
    """Take the words out of what told of these records; that it came remains."""
    told = select(_RECORDS.c.push_id).where(
        _RECORDS.c.source == source, _RECORDS.c.external_id.in_(sorted(set(ids)))
    )
    await connection.execute(
        update(PushRow)
        .where(col(PushRow.id).in_(told.scalar_subquery()), col(PushRow.body) != b"")
        .values(body=b"", headers={}, url="")
    )


async def pushes_of(connection: AsyncConnection, source: str, external_id: str) -> list[Push]:
    """Read what told of a record, oldest first."""
    rows = await connection.execute(
        select(_PUSHES)
        .join(_RECORDS, _RECORDS.c.push_id == _PUSHES.c.id)
        .where(_RECORDS.c.source == source, _RECORDS.c.external_id == external_id)
        .order_by(_PUSHES.c.id)
    )
    return [_read(row) for row in rows]


async def put_off(connection: AsyncConnection, push: Push, due_at: datetime) -> bool:
    """Let it be tried again, from a time on: this try failed, or was broken off."""
    return await _settle(connection, push, due_at=due_at)


async def _settle(connection: AsyncConnection, push: Push, **changes: Any) -> bool:
    done = await connection.execute(
        update(PushRow)
        .where(
            col(PushRow.id) == push.id,
            col(PushRow.attempt) == push.attempt,
            col(PushRow.state) == PushState.WAITING,
            col(PushRow.lease_until).is_not(None),
        )
        .values(lease_until=None, **changes)
    )
    return done.rowcount == 1


async def read_again(connection: AsyncConnection, source: str) -> None:
    """Let everything be read once more that a source was sent and that is still kept."""
    again = {"state": PushState.WAITING, "attempt": 0, "due_at": AT_ONCE, "settled_at": None}
    await connection.execute(
        update(PushRow)
        .where(col(PushRow.source) == source, col(PushRow.body) != b"")
        .values(**again, lease_until=None)
    )


async def waiting_pushes(
    connection: AsyncConnection, sources: Sequence[str]
) -> dict[str, datetime]:
    """Tell since when a push waits to be read, of each source that has one."""
    oldest = func.min(_PUSHES.c.received_at, type_=_PUSHES.c.received_at.type)
    rows = await connection.execute(
        select(_PUSHES.c.source, oldest.label("since"))
        .where(_WAITS, among(_PUSHES.c.source, sources))
        .group_by(_PUSHES.c.source)
    )
    return {row.source: row.since for row in rows}


async def last_pushes(connection: AsyncConnection, sources: Sequence[str]) -> dict[str, datetime]:
    """Tell when something was last pushed, of each source that ever had a push."""
    found: dict[str, datetime] = {}
    for name in sources:  # one by one: the index gives each at once
        last: datetime | None = await connection.scalar(
            select(_PUSHES.c.received_at)
            .where(_PUSHES.c.source == name)
            .order_by(_PUSHES.c.received_at.desc())
            .limit(1)
        )
        if last is not None:
            found[name] = last
    return found


def _read(row: Any) -> Push:
    event = Pushed(row.method, row.url, row.headers, row.body, row.received_at)
    return Push(row.id, row.source, row.delivery, event, PushState(row.state), row.attempt)
