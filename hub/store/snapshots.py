"""What was last put in force, so that a process knows whether it has changed."""

from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.store.tables import AppliedRow


async def applied(connection: AsyncConnection, name: str) -> str | None:
    """Give the fingerprint last applied under this name."""
    found: str | None = await connection.scalar(
        select(col(AppliedRow.fingerprint)).where(col(AppliedRow.name) == name)
    )
    return found


async def apply(connection: AsyncConnection, name: str, fingerprint: str, at: datetime) -> None:
    await connection.execute(delete(AppliedRow).where(col(AppliedRow.name) == name))
    await connection.execute(insert(AppliedRow).values(name=name, fingerprint=fingerprint, at=at))
