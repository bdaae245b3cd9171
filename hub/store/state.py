"""What the database tells whoever watches the hub: read in one go, bounded in what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, case, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.store import log
from hub.store.clock import clock
from hub.store.deliveries import DeliveryState
from hub.store.pushes import waiting_pushes
from hub.store.sources import Standing, standings
from hub.store.tables import ChoreRow, DeliveryRow, EndpointRow, SourceRow, table

COUNTED = 10_000  # deliveries of an endpoint that are counted: of more, "a lot" is enough to know

_SOURCES = table(SourceRow)
_DELIVERIES = table(DeliveryRow)
_ENDPOINTS = table(EndpointRow)
_CHORES = table(ChoreRow)


@dataclass(frozen=True, slots=True)
class Queue:
    """The deliveries of one endpoint. `held`: it is disabled, or hub.toml no longer has it."""

    endpoint: str
    due: int = 0
    leased: int = 0
    later: int = 0
    held: int = 0
    dead: int = 0
    lag: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Watched:
    """How the hub stands at one moment; lags by source and chore are of what is due.

    `pushes`: by source, how long the oldest has waited to be read; none waits where there is none.
    """

    head: int
    sources: Sequence[Standing]
    problems: frozenset[str]
    queues: Sequence[Queue]
    chores: dict[str, timedelta]
    pushes: dict[str, timedelta]
    at: datetime


def lag(at: datetime, due: datetime | None, lease_until: datetime | None) -> timedelta:
    """Tell how long something due has waited; nothing while a worker is at it."""
    if due is None or (lease_until is not None and lease_until >= at):
        return timedelta()
    return max(at - due, timedelta())


async def watched(
    connection: AsyncConnection, sources: Sequence[str], endpoints: Sequence[str]
) -> Watched:
    """Read how the sources and endpoints of these names stand."""
    at = await clock(connection)
    rejected = await connection.execute(
        select(_SOURCES.c.name).where(_SOURCES.c.problem.is_not(None))
    )
    chores = await connection.execute(select(_CHORES))
    return Watched(
        head=await log.head(connection),
        sources=[one for one in await standings(connection) if one.name in sources],
        problems=frozenset(row.name for row in rejected),
        queues=await _queues(connection, endpoints, at),
        chores={row.name: lag(at, row.next_at, row.lease_until) for row in chores},
        pushes={
            name: max(at - since, timedelta())
            for name, since in (await waiting_pushes(connection, sources)).items()
        },
        at=at,
    )


async def _queues(
    connection: AsyncConnection, endpoints: Sequence[str], at: datetime
) -> list[Queue]:
    """Read the queue of each endpoint by itself: a long one hides no other."""
    known = list(
        await connection.execute(
            select(_ENDPOINTS.c.id, _ENDPOINTS.c.name, _ENDPOINTS.c.disabled_at).order_by(
                _ENDPOINTS.c.name
            )
        )
    )
    dead = await _dead(connection)
    queues = []
    for one in known:
        row = (await connection.execute(_QUEUE, {"endpoint": one.id, "at": at})).one()
        if one.disabled_at is not None or one.name not in endpoints:
            queue = Queue(one.name, held=row.all)
        else:
            later = row.all - row.due - row.leased
            queue = Queue(one.name, row.due, row.leased, later, lag=lag(at, row.oldest, None))
        queues.append(replace(queue, dead=dead.get(one.id, 0)))
    return queues


def _queue() -> Any:
    at = bindparam("at", type_=_DELIVERIES.c.next_attempt_at.type)
    waiting = (
        select(_DELIVERIES.c.next_attempt_at, _DELIVERIES.c.lease_until)
        .where(
            _DELIVERIES.c.endpoint_id == bindparam("endpoint"),
            # Written out: only so do the engines know that the index of what waits will do.
            _DELIVERIES.c.state == literal_column(f"'{DeliveryState.PENDING}'"),
        )
        .order_by(_DELIVERIES.c.next_attempt_at)
        .limit(COUNTED)
        .subquery()
    )
    row = waiting.c
    is_leased = and_(row.lease_until.is_not(None), row.lease_until >= at)
    is_due = and_(row.next_attempt_at <= at, or_(row.lease_until.is_(None), row.lease_until < at))
    return select(
        func.count().label("all"),
        func.coalesce(func.sum(case((is_leased, 1), else_=0)), 0).label("leased"),
        func.coalesce(func.sum(case((is_due, 1), else_=0)), 0).label("due"),
        func.min(case((is_due, row.next_attempt_at)), type_=row.next_attempt_at.type).label(
            "oldest"
        ),
    ).select_from(waiting)


_QUEUE = _queue()


async def _dead(connection: AsyncConnection) -> dict[str, int]:
    dead = (
        select(_DELIVERIES.c.endpoint_id)
        .where(_DELIVERIES.c.state == DeliveryState.DEAD)
        .limit(COUNTED)
        .subquery()
    )
    counted = await connection.execute(
        select(dead.c.endpoint_id, func.count().label("n")).group_by(dead.c.endpoint_id)
    )
    return {row.endpoint_id: row.n for row in counted}
