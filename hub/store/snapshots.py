"""The configurations that were put in force, and what was last applied of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.signals import new_id
from hub.store.tables import AppliedRow, SnapshotRow, table

_SNAPSHOTS = table(SnapshotRow)


@dataclass(frozen=True, slots=True)
class Stored:
    """A configuration as it is kept: tables with the names of secrets in them.

    `problems` (by source) says why a source keeps its tables of before, or is not there.
    """

    id: str
    seq: int
    digest: str
    by: str
    at: datetime
    tables: Mapping[str, Any]
    problems: Mapping[str, str]


async def newest(connection: AsyncConnection) -> Stored | None:
    """Give the configuration that was stored last."""
    rows = await connection.execute(select(_SNAPSHOTS).order_by(_SNAPSHOTS.c.seq.desc()).limit(1))
    row = rows.first()
    if row is None:
        return None
    return Stored(row.id, row.seq, row.digest, row.by, row.at, row.tables, row.problems)


async def keep(
    connection: AsyncConnection,
    seq: int,
    digest: str,
    by: str,
    at: datetime,
    tables: Mapping[str, Any],
    problems: Mapping[str, str],
) -> Stored:
    """Store a configuration under its line in the log; it is never changed."""
    stored = Stored(new_id(), seq, digest, by, at, dict(tables), dict(problems))
    await connection.execute(
        insert(SnapshotRow).values(
            id=stored.id,
            seq=seq,
            digest=digest,
            by=by,
            at=at,
            tables=stored.tables,
            problems=stored.problems,
        )
    )
    return stored


async def applied(connection: AsyncConnection, name: str) -> str | None:
    """Give the fingerprint last applied under this name."""
    found: str | None = await connection.scalar(
        select(col(AppliedRow.fingerprint)).where(col(AppliedRow.name) == name)
    )
    return found


async def applied_since(connection: AsyncConnection, name: str) -> datetime | None:
    """Say when something was last applied under this name."""
    found: datetime | None = await connection.scalar(
        select(col(AppliedRow.at)).where(col(AppliedRow.name) == name)
    )
    return found


async def apply(connection: AsyncConnection, name: str, fingerprint: str, at: datetime) -> None:
    await connection.execute(delete(AppliedRow).where(col(AppliedRow.name) == name))
    await connection.execute(insert(AppliedRow).values(name=name, fingerprint=fingerprint, at=at))
