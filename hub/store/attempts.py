"""The tries of a delivery, and what came back."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.store.identities import insert_new
from hub.store.tables import AttemptRow, table

_ATTEMPTS = table(AttemptRow)


@dataclass(frozen=True, slots=True)
class Attempt:
    attempt: int
    at: datetime
    latency_ms: float | None
    status: int | None
    error: str | None
    response: str | None


async def attempts(connection: AsyncConnection, delivery_id: str) -> list[Attempt]:
    rows = await connection.execute(
        select(_ATTEMPTS)
        .where(_ATTEMPTS.c.delivery_id == delivery_id)
        .order_by(_ATTEMPTS.c.attempt)
    )
    return [
        Attempt(row.attempt, row.at, row.latency_ms, row.status, row.error, row.response)
        for row in rows
    ]


async def count_attempts(connection: AsyncConnection, delivery_id: str) -> int:
    """Count the tries of a delivery that ended, and not those that were broken off."""
    this = _ATTEMPTS.c.delivery_id == delivery_id
    return await connection.scalar(select(func.count()).select_from(_ATTEMPTS).where(this)) or 0


async def record_attempt(connection: AsyncConnection, delivery_id: str, tried: Attempt) -> None:
    await connection.execute(
        insert_new(connection, AttemptRow), [{"delivery_id": delivery_id, **asdict(tried)}]
    )
