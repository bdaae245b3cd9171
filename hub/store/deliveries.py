"""Deliveries and their attempts: the row is the job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import case, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.signals import new_id
from hub.store.attempts import Attempt, record_attempt
from hub.store.clock import clock
from hub.store.columns import among
from hub.store.insert import Insert
from hub.store.tables import DeliveryRow, EndpointRow, SignalRow, table

_DELIVERIES = table(DeliveryRow)
_ENDPOINTS = table(EndpointRow)
_INSERT = Insert(
    _DELIVERIES,
    (
        "id",
        "endpoint_id",
        "signal_id",
        "seq",
        "state",
        "attempt",
        "created_at",
        "next_attempt_at",
        "trace",
    ),
)


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"  # every retry failed; kept for a replay
    WITHDRAWN = "withdrawn"  # the role may not see the signal any more


@dataclass(frozen=True, slots=True)
class Delivery:
    """One change on its way to one endpoint. `attempt` is the try it is claimed for, from 1."""

    id: str
    endpoint: str
    role: str
    signal_id: str
    seq: int
    state: DeliveryState
    attempt: int
    created_at: datetime
    next_attempt_at: datetime
    settled_at: datetime | None
    trace: str | None


async def add_deliveries(
    connection: AsyncConnection,
    rows: Sequence[tuple[str, str, int]],
    at: datetime,
    trace: str | None = None,
) -> tuple[str, ...]:
    """Put (endpoint id, signal id, seq) on the way, due at once; give their ids.

    `trace`: the W3C traceparent of what caused them.
    """
    ids = tuple(new_id() for _ in rows)
    await _INSERT.rows(
        connection,
        [
            (id_, *row, DeliveryState.PENDING, 0, at, at, trace)
            for id_, row in zip(ids, rows, strict=True)
        ],
    )
    return ids


async def claim_deliveries(
    connection: AsyncConnection,
    endpoints: Sequence[str],
    at: datetime,
    lease: timedelta,
    limit: int,
    per_endpoint: int,
) -> list[Delivery]:
    """Take due deliveries to these endpoints, at most `per_endpoint` under way to each at once.

    So an endpoint that hangs keeps its own few waiting, and nobody else's; and what goes to one
    that hub.toml no longer declares waits for its return.
    """
    is_due = (
        _DELIVERIES.c.state == DeliveryState.PENDING,
        _DELIVERIES.c.next_attempt_at <= at,
        or_(_DELIVERIES.c.lease_until.is_(None), _DELIVERIES.c.lease_until < at),
    )
    under_way = (
        select(_DELIVERIES.c.endpoint_id, func.count().label("n"))
        .where(
            _DELIVERIES.c.state == DeliveryState.PENDING,
            _DELIVERIES.c.lease_until >= at,
        )
        .group_by(_DELIVERIES.c.endpoint_id)
        .subquery()
    )
    ranked = (
        select(
            _DELIVERIES.c.id,
            (
                func.row_number().over(
                    partition_by=_DELIVERIES.c.endpoint_id,
                    order_by=(_DELIVERIES.c.next_attempt_at, _DELIVERIES.c.seq),
                )
                + func.coalesce(under_way.c.n, 0)
            ).label("place"),
        )
        .select_from(
            _DELIVERIES.join(_ENDPOINTS, _ENDPOINTS.c.id == _DELIVERIES.c.endpoint_id).outerjoin(
                under_way, under_way.c.endpoint_id == _DELIVERIES.c.endpoint_id
            )
        )
        .where(
            *is_due,
            _ENDPOINTS.c.disabled_at.is_(None),
            _ENDPOINTS.c.name.in_(endpoints),
        )
        .subquery()
    )
    chosen = select(ranked.c.id).where(ranked.c.place <= per_endpoint)
    # PostgreSQL asks `is_due` once more of each row that it locks: since the ranking another worker
    # may have claimed it, and even settled it. A CTE is computed once, so its LIMIT holds.
    due = (
        select(_DELIVERIES.c.id)
        .where(_DELIVERIES.c.id.in_(chosen), *is_due)
        .order_by(_DELIVERIES.c.next_attempt_at, _DELIVERIES.c.seq)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    claimed = await connection.execute(
        update(DeliveryRow)
        .where(col(DeliveryRow.id).in_(select(due.c.id)))
        .values(lease_until=at + lease, attempt=DeliveryRow.attempt + 1)
        .returning(_DELIVERIES.c.id)
    )
    ids = [row.id for row in claimed]
    return await deliveries(connection, ids) if ids else []


async def deliveries(
    connection: AsyncConnection, ids: Sequence[str] | None = None, signal_id: str | None = None
) -> list[Delivery]:
    """Read deliveries by id or by signal, oldest first."""
    wanted = (
        select(_DELIVERIES, _ENDPOINTS.c.name.label("endpoint"), _ENDPOINTS.c.role)
        .select_from(_DELIVERIES.join(_ENDPOINTS, _ENDPOINTS.c.id == _DELIVERIES.c.endpoint_id))
        .order_by(_DELIVERIES.c.seq, _DELIVERIES.c.id)
    )
    if ids is not None:
        wanted = wanted.where(among(_DELIVERIES.c.id, ids))
    if signal_id is not None:
        wanted = wanted.where(_DELIVERIES.c.signal_id == signal_id)
    return [
        Delivery(
            row.id,
            row.endpoint,
            row.role,
            row.signal_id,
            row.seq,
            DeliveryState(row.state),
            row.attempt,
            row.created_at,
            row.next_attempt_at,
            row.settled_at,
            row.trace,
        )
        for row in await connection.execute(wanted)
    ]


async def prolong_deliveries(
    connection: AsyncConnection, attempts: Mapping[str, int], lease_until: datetime
) -> None:
    """Hold deliveries (attempt by id) a while longer; those settled or no longer ours stay."""
    await connection.execute(
        update(DeliveryRow)
        .where(
            tuple_(col(DeliveryRow.id), col(DeliveryRow.attempt)).in_(list(attempts.items())),
            col(DeliveryRow.state) == DeliveryState.PENDING,
            col(DeliveryRow.lease_until).is_not(None),
        )
        .values(lease_until=lease_until)
    )


async def settle_delivery(
    connection: AsyncConnection,
    delivery: Delivery,
    attempt: Attempt | None,
    state: DeliveryState,
    at: datetime,
    next_attempt_at: datetime | None = None,
    *,
    version: datetime | None = None,
) -> bool:
    """Record one attempt's outcome, once. A late settle of an older attempt changes nothing.

    `version`: `updated_at` of the signal as it was sent. The answer is kept only while it is so
    still: it may repeat words that were erased while they were on their way.
    """
    changes: dict[str, Any] = {"state": state, "lease_until": None}
    if next_attempt_at is not None:
        changes["next_attempt_at"] = next_attempt_at
    if state is not DeliveryState.PENDING:
        changes["settled_at"] = at
    done = await connection.execute(
        update(DeliveryRow)
        .where(
            col(DeliveryRow.id) == delivery.id,
            col(DeliveryRow.attempt) == delivery.attempt,
            col(DeliveryRow.state) == DeliveryState.PENDING,
            col(DeliveryRow.lease_until).is_not(None),  # not settled as failed before
        )
        .values(changes)
    )
    ours = done.rowcount == 1
    if attempt is not None and (ours or await _is_kept(connection, delivery.id)):
        kept = not (attempt.response and version) or await _is_still(
            connection, delivery.signal_id, version
        )
        tried = attempt if kept else replace(attempt, response=None)
        await record_attempt(connection, delivery.id, tried)
    return ours


async def _is_kept(connection: AsyncConnection, delivery_id: str) -> bool:
    """Tell whether a delivery was not deleted meanwhile; nobody deletes it now."""
    id_ = select(_DELIVERIES.c.id).where(_DELIVERIES.c.id == delivery_id)
    return await connection.scalar(id_.with_for_update()) is not None


async def _is_still(connection: AsyncConnection, signal_id: str, version: datetime) -> bool:
    """Tell whether a signal has not changed since; nobody changes it now."""
    id_ = select(col(SignalRow.id)).where(
        col(SignalRow.id) == signal_id, col(SignalRow.updated_at) == version
    )
    return await connection.scalar(id_.with_for_update(read=True)) is not None


async def give_back(connection: AsyncConnection, delivery: Delivery) -> None:
    """Let another worker try at once: this attempt was broken off, and may have arrived."""
    await connection.execute(
        update(DeliveryRow)
        .where(
            col(DeliveryRow.id) == delivery.id,
            col(DeliveryRow.attempt) == delivery.attempt,
            col(DeliveryRow.state) == DeliveryState.PENDING,
        )
        .values(lease_until=None)
    )


async def next_delivery_in(
    connection: AsyncConnection, endpoints: Sequence[str]
) -> timedelta | None:
    """Tell how long until a delivery to these is due: one under way when its lease would end."""
    at = case(
        (_DELIVERIES.c.lease_until > _DELIVERIES.c.next_attempt_at, _DELIVERIES.c.lease_until),
        else_=_DELIVERIES.c.next_attempt_at,
    )
    # Not a join: SQLite would go through every delivery that the endpoints ever had.
    served = select(_ENDPOINTS.c.id).where(
        _ENDPOINTS.c.disabled_at.is_(None), _ENDPOINTS.c.name.in_(endpoints)
    )
    first: datetime | None = await connection.scalar(
        select(func.min(at, type_=_DELIVERIES.c.next_attempt_at.type)).where(
            _DELIVERIES.c.state == DeliveryState.PENDING,
            _DELIVERIES.c.endpoint_id.in_(served),
        )
    )
    return None if first is None else first - await clock(connection)
