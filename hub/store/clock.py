"""The clock by which rows fall due and leases end: one for every process."""

from datetime import datetime

from sqlalchemy import TIMESTAMP, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.signals import now

_SERVER = select(func.clock_timestamp(type_=TIMESTAMP(timezone=True)))


async def clock(connection: AsyncConnection) -> datetime:
    """Tell the database's time.

    On PostgreSQL the server's: a worker whose own clock is a minute fast would take leases that
    others still hold, one whose clock is slow would lose its own. A SQLite file has one machine,
    and so one clock.
    """
    if connection.dialect.name == "sqlite":
        return now()
    at: datetime | None = await connection.scalar(_SERVER)
    assert at is not None
    return at
