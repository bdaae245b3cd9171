"""What the hub does for itself at set times: a row each, done by whoever takes its lease."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.signals import new_id
from hub.store.clock import clock
from hub.store.columns import UtcDateTime
from hub.store.identities import insert_new
from hub.store.tables import ChoreRow

RETENTION = "retention"

_WHEN = UtcDateTime()


@dataclass(frozen=True, slots=True)
class ChoreLease:
    """That a chore is ours, and since when."""

    token: str
    at: datetime


async def next_chore_in(connection: AsyncConnection, name: str) -> timedelta:
    """Tell how long until a chore is due: one under way when its lease would end."""
    row = (
        await connection.execute(
            select(col(ChoreRow.next_at), col(ChoreRow.lease_until)).where(
                col(ChoreRow.name) == name
            )
        )
    ).first()
    if row is None:
        return timedelta(0)  # it never was done
    due: datetime = max(row.next_at, row.lease_until) if row.lease_until else row.next_at
    return due - await clock(connection)


async def claim_chore(
    connection: AsyncConnection, name: str, lease: timedelta, *, due: bool = True
) -> ChoreLease | None:
    """Take the lease of a chore that is due; None where it is not, or somebody else does it.

    Without `due` it is taken whenever nobody does it.
    """
    at = await clock(connection)
    await connection.execute(insert_new(connection, ChoreRow), [{"name": name, "next_at": at}])
    free = (
        select(col(ChoreRow.name))
        .where(
            col(ChoreRow.name) == name,
            or_(col(ChoreRow.lease_until).is_(None), col(ChoreRow.lease_until) < at),
        )
        .with_for_update(skip_locked=True)
    )
    if due:
        free = free.where(col(ChoreRow.next_at) <= at)
    token: str | None = await connection.scalar(
        update(ChoreRow)
        .where(col(ChoreRow.name).in_(free.scalar_subquery()))
        .values(lease=new_id(), lease_until=at + lease, next_at=at)
        .returning(col(ChoreRow.lease))
    )
    return ChoreLease(token, at) if token is not None else None


async def hasten(connection: AsyncConnection, name: str) -> None:
    """Make a chore due now, once more also where somebody does it at this moment."""
    await connection.execute(
        update(ChoreRow).where(col(ChoreRow.name) == name).values(next_at=await clock(connection))
    )


async def prolong_chore(
    connection: AsyncConnection, name: str, lease: ChoreLease, more: timedelta
) -> bool:
    """Hold a lease a while longer; False where it is no longer ours."""
    held = await connection.execute(
        update(ChoreRow)
        .where(col(ChoreRow.name) == name, col(ChoreRow.lease) == lease.token)
        .values(lease_until=await clock(connection) + more)
    )
    return held.rowcount == 1


async def settle_chore(
    connection: AsyncConnection, name: str, lease: ChoreLease, wait: timedelta
) -> bool:
    """Give a lease back and say when the chore is next due; a late one changes nothing.

    One that was hastened meanwhile stays due: this run may have begun too early to see why.
    """
    due, after = col(ChoreRow.next_at), await clock(connection) + wait
    hastened = due > literal(lease.at, _WHEN)
    done = await connection.execute(
        update(ChoreRow)
        .where(col(ChoreRow.name) == name, col(ChoreRow.lease) == lease.token)
        .values(
            lease=None,
            lease_until=None,
            next_at=case((hastened, due), else_=literal(after, _WHEN)),
        )
    )
    return done.rowcount == 1
