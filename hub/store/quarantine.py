"""Records that could not be read, kept with their reason until a person has looked."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.connector import Bad
from hub.signals import Classification, new_id
from hub.store.columns import among
from hub.store.tables import QuarantineRow, SignalRow, table

RAW_LIMIT = 64 * 1024  # characters of a bad record that are kept; the rest is said to be cut


@dataclass(frozen=True, slots=True)
class Quarantined:
    id: str
    source: str
    external_id: str | None
    reason: str
    raw: str
    at: datetime
    seen: int


async def quarantine(
    connection: AsyncConnection, source: str, bad: Sequence[Bad], at: datetime
) -> None:
    """Keep bad records; the same one met again only counts up."""
    for one in sorted(bad, key=lambda one: one.reason):
        raw = _text(one.raw)
        digest = sha256(f"{one.reason}\n{raw}".encode()).hexdigest()
        upsert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        if len(raw) > RAW_LIMIT:
            raw = f"{raw[:RAW_LIMIT]}… ({len(raw) - RAW_LIMIT} characters more)"
        await connection.execute(
            upsert(QuarantineRow)
            .values(
                id=new_id(),
                source=source,
                digest=digest,
                external_id=one.external_id,
                reason=one.reason[:2000],
                raw=raw,
                at=at,
                seen=1,
            )
            .on_conflict_do_update(
                index_elements=["source", "digest"], set_={"seen": QuarantineRow.seen + 1}
            )
        )


async def quarantined(
    connection: AsyncConnection, source: str, first: int, before: str | None = None
) -> list[Quarantined]:
    """Read a source's bad records, newest first."""
    wanted = (
        select(table(QuarantineRow))
        .where(col(QuarantineRow.source) == source)
        .order_by(col(QuarantineRow.id).desc())
        .limit(first)
    )
    if before is not None:
        wanted = wanted.where(col(QuarantineRow.id) < before)
    return [_record(row) for row in await connection.execute(wanted)]


async def quarantined_by_ids(
    connection: AsyncConnection, ids: Sequence[str]
) -> dict[str, Quarantined]:
    wanted = select(table(QuarantineRow)).where(among(col(QuarantineRow.id), ids))
    return {row.id: _record(row) for row in await connection.execute(wanted)}


async def private_sources(connection: AsyncConnection, sources: Collection[str]) -> set[str]:
    """Say which of these sources brought what is restricted."""
    restricted = select(1).where(
        col(SignalRow.source) == bindparam("source"),
        col(SignalRow.classification) == int(Classification.RESTRICTED),
    )
    return {
        name
        for name in sources
        if await connection.scalar(restricted.limit(1), {"source": name}) is not None
    }


def _record(row: Any) -> Quarantined:
    return Quarantined(row.id, row.source, row.external_id, row.reason, row.raw, row.at, row.seen)


def _text(raw: Any) -> str:
    """Write any record as text that both engines take."""
    try:
        written = orjson.dumps(raw, default=repr).decode()
    except (TypeError, ValueError):
        written = repr(raw)
    return written.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
