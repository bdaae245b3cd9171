"""Where each source stands: due, leased, its cursor, its health."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import case, func, literal, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.access import Condition
from hub.signals import new_id
from hub.store.clock import clock
from hub.store.columns import among, given
from hub.store.driver import Prebuilt
from hub.store.tables import QuarantineRow, SignalRow, SourceRow, table
from hub.store.visible import compile_condition

_SOURCES = table(SourceRow)
_MOVE = Prebuilt(
    update(SourceRow)
    .where(_SOURCES.c.name == given("source"), _SOURCES.c.lease == given("held"))
    .values(cursor=given("to"), lease_until=given("until"))
    .returning(col(SourceRow.name))
)


class State(StrEnum):
    WAITING = "waiting"  # not polled yet
    OK = "ok"
    FAILING = "failing"
    AUTH_FAILED = (
        "auth_failed"  # polling stopped until its configuration changes or a sync is asked
    )
    PAUSED = "paused"
    REMOVED = "removed"  # no longer in hub.toml; its signals and its place are kept


@dataclass(frozen=True, slots=True)
class Standing:
    """A source's row."""

    name: str
    connector: str
    state: State
    cursor: Mapping[str, Any]
    added_at: datetime
    notify_after: datetime
    next_poll_at: datetime | None
    lease: str | None
    lease_until: datetime | None
    problem: str | None
    failures: int
    last_attempt_at: datetime | None
    last_success_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    brought_at: datetime | None = None
    """When a poll last found something new."""


async def claim_due(
    connection: AsyncConnection, names: list[str], at: datetime, lease: timedelta, limit: int
) -> list[Standing]:
    """Take the lease of sources whose poll is due; nobody else has them until it ends."""
    free = or_(_SOURCES.c.lease_until.is_(None), _SOURCES.c.lease_until < at)
    due = (
        select(_SOURCES.c.name)
        .where(
            among(_SOURCES.c.name, names),
            _SOURCES.c.next_poll_at <= at,
            _SOURCES.c.state.not_in([State.PAUSED, State.REMOVED]),
            free,
        )
        .order_by(_SOURCES.c.next_poll_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    rows = await connection.execute(
        update(SourceRow)
        .where(col(SourceRow.name).in_(select(due.c.name)))
        .values(lease=new_id(), lease_until=at + lease, last_attempt_at=at)
        .returning(*_SOURCES.c)
    )
    return [read_standing(row) for row in rows]


async def claim_one(
    connection: AsyncConnection, name: str, at: datetime, lease: timedelta
) -> Standing | None:
    """Take one source's lease whatever its state; None while somebody else polls it."""
    rows = await connection.execute(
        update(SourceRow)
        .where(
            col(SourceRow.name) == name,
            or_(col(SourceRow.lease_until).is_(None), col(SourceRow.lease_until) < at),
        )
        .values(lease=new_id(), lease_until=at + lease, last_attempt_at=at, next_poll_at=at)
        .returning(*_SOURCES.c)
    )
    row = rows.first()
    return read_standing(row) if row else None


async def save_cursor(
    connection: AsyncConnection,
    name: str,
    lease: str,
    cursor: Mapping[str, Any],
    lease_until: datetime,
) -> bool:
    """Move the cursor, in the transaction of the page it belongs to, and prolong the lease.

    False when the lease is no longer ours: then the whole page must be left undone.
    """
    moved = await _MOVE.rows(
        connection, source=name, held=lease, to=dict(cursor), until=lease_until
    )
    return len(moved) == 1


async def prolong(
    connection: AsyncConnection, leases: Mapping[str, str], lease_until: datetime
) -> None:
    """Hold leases (by source) a while longer; those that are no longer ours stay as they are."""
    ours = (
        select(_SOURCES.c.name)
        .where(tuple_(_SOURCES.c.name, _SOURCES.c.lease).in_(list(leases.items())))
        .order_by(_SOURCES.c.name)
        .with_for_update()
    )
    await connection.execute(
        update(SourceRow)
        .where(col(SourceRow.name).in_(ours.scalar_subquery()))
        .values(lease_until=lease_until)
    )


async def settle(
    connection: AsyncConnection, name: str, lease: str, outcome: Mapping[str, Any]
) -> bool:
    """Record how a poll ended and give the lease back; a late one changes nothing.

    A poll that was asked for meanwhile stays due: this one may have begun too early to see it.
    A source that hub.toml no longer names stays removed, and one that was paused meanwhile paused.
    """
    changes = dict(outcome)
    if "state" in changes:
        state = _SOURCES.c.state
        changes["state"] = case(
            (state.in_([State.REMOVED, State.PAUSED]), state),
            else_=literal(changes["state"], state.type),
        )
    if "next_poll_at" in changes:
        due = _SOURCES.c.next_poll_at
        changes["next_poll_at"] = case(
            (due > _SOURCES.c.last_attempt_at, due),
            else_=literal(changes["next_poll_at"], due.type),
        )
    done = await connection.execute(
        update(SourceRow)
        .where(col(SourceRow.name) == name, col(SourceRow.lease) == lease)
        .values(lease=None, lease_until=None, **changes)
    )
    return done.rowcount == 1


async def make_due(connection: AsyncConnection, name: str, at: datetime) -> bool:
    """Ask for a poll now, also of a source that had stopped."""
    asked = await connection.execute(
        update(SourceRow)
        .where(col(SourceRow.name) == name, col(SourceRow.state) != State.REMOVED)
        .values(next_poll_at=at)
    )
    return asked.rowcount == 1


async def set_paused(connection: AsyncConnection, name: str, at: datetime, *, paused: bool) -> bool:
    """Pause a source, or resume one; False where it was so already, or is removed."""
    state = _SOURCES.c.state
    known = case((_SOURCES.c.last_success_at.is_not(None), State.OK), else_=State.WAITING)
    done = await connection.execute(
        update(SourceRow)
        .where(
            col(SourceRow.name) == name,
            state.not_in([State.PAUSED, State.REMOVED]) if paused else state == State.PAUSED,
        )
        .values({"state": State.PAUSED} if paused else {"state": known, "next_poll_at": at})
    )
    return done.rowcount == 1


async def hasten_poll(connection: AsyncConnection, name: str, at: datetime) -> None:
    """Ask for a poll at a time, unless it comes sooner anyway or the source does not work.

    A source that is being polled is polled once more: this poll may have begun too early.
    """
    busy = col(SourceRow.lease_until) > await clock(connection)
    await connection.execute(
        update(SourceRow)
        .where(
            col(SourceRow.name) == name,
            col(SourceRow.state).in_([State.OK, State.WAITING]),
            or_(busy, col(SourceRow.next_poll_at) > at),
        )
        .values(next_poll_at=at)
    )


async def heard_of(
    connection: AsyncConnection, name: str, problem: str | None, at: datetime
) -> None:
    """Record how a source does that only listens: by the last that it was sent."""
    paused = case((_SOURCES.c.state == State.PAUSED, State.PAUSED))
    good = {"state": func.coalesce(paused, State.OK), "failures": 0, "last_success_at": at}
    bad = {
        "state": func.coalesce(paused, State.FAILING),
        "last_error_at": at,
        "failures": SourceRow.failures + 1,
    }
    await connection.execute(
        update(SourceRow)
        .where(col(SourceRow.name) == name, col(SourceRow.state) != State.REMOVED)
        .values(last_attempt_at=at, last_error=problem, **(bad if problem else good))
    )


async def next_poll_in(connection: AsyncConnection, names: list[str]) -> timedelta | None:
    """Tell how long until a poll is due: one under way when its lease would end."""
    at = case(
        (_SOURCES.c.lease_until > _SOURCES.c.next_poll_at, _SOURCES.c.lease_until),
        else_=_SOURCES.c.next_poll_at,
    )
    first: datetime | None = await connection.scalar(
        select(func.min(at, type_=_SOURCES.c.next_poll_at.type)).where(
            among(_SOURCES.c.name, names),
            _SOURCES.c.state.not_in([State.PAUSED, State.REMOVED]),
        )
    )
    return None if first is None else first - await clock(connection)


async def standings(connection: AsyncConnection, name: str | None = None) -> list[Standing]:
    wanted = select(_SOURCES).order_by(_SOURCES.c.name)
    if name is not None:
        wanted = wanted.where(_SOURCES.c.name == name)
    return [read_standing(row) for row in await connection.execute(wanted)]


async def counts(
    connection: AsyncConnection, names: list[str], visible: Condition
) -> dict[str, tuple[int, int]]:
    """Count (signals that a condition lets through, quarantined records) of each source."""
    condition = compile_condition(visible, sqlite=connection.dialect.name == "sqlite")
    signals = await connection.execute(
        select(col(SignalRow.source), func.count().label("n"))
        .where(among(col(SignalRow.source), names), condition)
        .group_by(col(SignalRow.source))
    )
    found = dict.fromkeys(names, (0, 0))
    for row in signals:
        found[row.source] = (row.n, 0)
    bad = await connection.execute(
        select(col(QuarantineRow.source), func.count().label("n"))
        .where(among(col(QuarantineRow.source), names))
        .group_by(col(QuarantineRow.source))
    )
    for row in bad:
        found[row.source] = (found[row.source][0], row.n)
    return found


def read_standing(row: Any) -> Standing:
    return Standing(
        name=row.name,
        connector=row.connector,
        state=State(row.state),
        cursor=row.cursor,
        added_at=row.added_at,
        notify_after=row.notify_after,
        next_poll_at=row.next_poll_at,
        lease=row.lease,
        lease_until=row.lease_until,
        problem=row.problem,
        failures=row.failures,
        last_attempt_at=row.last_attempt_at,
        last_success_at=row.last_success_at,
        last_error=row.last_error,
        last_error_at=row.last_error_at,
        brought_at=row.brought_at,
    )
