"""What the database tells whoever watches the hub: read in one go, bounded in what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.store import log
from hub.store.clock import clock
from hub.store.deliveries import DeliveryState
from hub.store.sources import Standing, standings
from hub.store.tables import ChoreRow, DeliveryRow, EndpointRow, SourceRow, table

COUNTED = 100_000  # deliveries that are counted at most: of more, "a lot" is enough to know

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
    """How the hub stands at one moment; lags by source and chore are of what is due."""

    head: int
    sources: Sequence[Standing]
    problems: frozenset[str]
    queues: Sequence[Queue]
    chores: dict[str, timedelta]
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
        at=at,
    )


async def _queues(
    connection: AsyncConnection, endpoints: Sequence[str], at: datetime
) -> list[Queue]:
    waiting = (
        select(_DELIVERIES.c.endpoint_id, _DELIVERIES.c.next_attempt_at, _DELIVERIES.c.lease_until)
        .where(_DELIVERIES.c.state == DeliveryState.PENDING)
        .order_by(_DELIVERIES.c.next_attempt_at)
        .limit(COUNTED)
        .subquery()
    )
    row = waiting.c
    leased = and_(row.lease_until.is_not(None), row.lease_until >= at)
    due = and_(row.next_attempt_at <= at, or_(row.lease_until.is_(None), row.lease_until < at))
    counted = await connection.execute(
        select(
            _ENDPOINTS.c.name,
            _ENDPOINTS.c.disabled_at,
            func.count().label("all"),
            func.sum(case((leased, 1), else_=0)).label("leased"),
            func.sum(case((due, 1), else_=0)).label("due"),
            func.min(case((due, row.next_attempt_at)), type_=row.next_attempt_at.type).label(
                "oldest"
            ),
        )
        .select_from(waiting.join(_ENDPOINTS, _ENDPOINTS.c.id == row.endpoint_id))
        .group_by(_ENDPOINTS.c.name, _ENDPOINTS.c.disabled_at)
    )
    found = {name: Queue(name) for name in endpoints}
    for one in counted:
        if one.name not in endpoints or one.disabled_at is not None:
            found[one.name] = Queue(one.name, held=one.all)
        else:
            later = one.all - one.due - one.leased
            waits = lag(at, one.oldest, None)
            found[one.name] = Queue(one.name, one.due, one.leased, later, lag=waits)
    dead = (
        select(_DELIVERIES.c.endpoint_id)
        .where(_DELIVERIES.c.state == DeliveryState.DEAD)
        .limit(COUNTED)
        .subquery()
    )
    for one in await connection.execute(
        select(_ENDPOINTS.c.name, func.count().label("n"))
        .select_from(dead.join(_ENDPOINTS, _ENDPOINTS.c.id == dead.c.endpoint_id))
        .group_by(_ENDPOINTS.c.name)
    ):
        found[one.name] = replace(found.get(one.name, Queue(one.name)), dead=one.n)
    return [found[name] for name in sorted(found)]
