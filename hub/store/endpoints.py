"""Where deliveries go: the endpoints of hub.toml, and whether they work."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.signals import new_id
from hub.store.tables import EndpointRow, table

_ENDPOINTS = table(EndpointRow)


@dataclass(frozen=True, slots=True)
class DeclaredEndpoint:
    """An endpoint as hub.toml has it. `fingerprint`: None where its secret is not known here."""

    name: str
    role: str
    fingerprint: str | None


async def declare_endpoints(
    connection: AsyncConnection, declared: Iterable[DeclaredEndpoint], at: datetime
) -> set[str]:
    """Make hub.toml's endpoints known; name those whose address or secret changed.

    One that was disabled works again then: somebody has mended it.
    """
    rows = {row.name: row for row in await connection.execute(select(_ENDPOINTS))}
    changed: set[str] = set()
    for one in sorted(declared, key=lambda one: one.name):
        old = rows.get(one.name)
        values: dict[str, Any] = {"role": one.role}
        if old is None or one.fingerprint not in {None, old.fingerprint}:
            changed.add(one.name)
            values |= {"fingerprint": one.fingerprint or ""}
            values |= {"disabled_at": None, "disabled_why": None}
        if old is None:
            row = {"id": new_id(), "name": one.name, "created_at": at, **values}
            await connection.execute(insert(EndpointRow).values(row))
        elif one.name in changed or old.role != one.role:
            this = update(EndpointRow).where(col(EndpointRow.name) == one.name)
            await connection.execute(this.values(values))
    return changed


async def endpoint_ids(connection: AsyncConnection) -> dict[str, str]:
    """Give the id of every endpoint that was ever declared, by name."""
    rows = await connection.execute(select(_ENDPOINTS.c.name, _ENDPOINTS.c.id))
    return {row.name: row.id for row in rows}


async def disable_endpoint(connection: AsyncConnection, name: str, why: str, at: datetime) -> None:
    await connection.execute(
        update(EndpointRow)
        .where(col(EndpointRow.name) == name, col(EndpointRow.disabled_at).is_(None))
        .values(disabled_at=at, disabled_why=why)
    )
