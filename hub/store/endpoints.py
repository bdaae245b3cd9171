"""Where deliveries go: the endpoints of hub.toml, and whether they work."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.signals import new_id
from hub.store.identities import insert_new
from hub.store.tables import EndpointRow, table

_ENDPOINTS = table(EndpointRow)


async def declare_endpoints(
    connection: AsyncConnection, declared: Mapping[str, tuple[str, str]], at: datetime
) -> dict[str, str]:
    """Make hub.toml's endpoints known (name -> role, fingerprint); give their ids by name.

    One that was disabled works again when its fingerprint changes: somebody has mended it.
    """
    rows = [
        {"id": new_id(), "name": name, "role": role, "fingerprint": print_, "created_at": at}
        for name, (role, print_) in sorted(declared.items())
    ]
    if rows:
        await connection.execute(insert_new(connection, EndpointRow), rows)
    for name, (role, print_) in declared.items():
        this = update(EndpointRow).where(col(EndpointRow.name) == name)
        await connection.execute(
            this.where(col(EndpointRow.fingerprint) != print_).values(
                fingerprint=print_, disabled_at=None, disabled_why=None
            )
        )
        await connection.execute(this.values(role=role))
    known = await connection.execute(select(_ENDPOINTS.c.name, _ENDPOINTS.c.id))
    return {row.name: row.id for row in known if row.name in declared}


async def disable_endpoint(connection: AsyncConnection, name: str, why: str, at: datetime) -> None:
    await connection.execute(
        update(EndpointRow)
        .where(col(EndpointRow.name) == name, col(EndpointRow.disabled_at).is_(None))
        .values(disabled_at=at, disabled_why=why)
    )
