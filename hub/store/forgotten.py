"""Who is to be forgotten: hashes of their keys, so that a poll does not bring them back."""

from collections.abc import Iterable
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.store.clock import clock
from hub.store.columns import among_given
from hub.store.driver import Prebuilt
from hub.store.identities import insert_new
from hub.store.tables import ForgottenRow, PersonKeyRow

BATCH = 500
_LISTED = Prebuilt(
    select(col(ForgottenRow.digest)).where(among_given(col(ForgottenRow.digest), "digests"))
)


async def remember_to_forget(connection: AsyncConnection, keys: Iterable[str]) -> None:
    """Put a person's keys on the list."""
    at = await clock(connection)
    rows = [{"digest": _digest(key), "at": at} for key in sorted(set(keys))]
    if rows:
        await connection.execute(insert_new(connection, ForgottenRow), rows)


async def forgotten(connection: AsyncConnection, keys: Iterable[str]) -> frozenset[str]:
    """Give those of these keys that are on the list."""
    by_digest = {_digest(key): key for key in keys}
    if not by_digest:
        return frozenset()
    found = await _LISTED.rows(connection, digests=list(by_digest))
    return frozenset(by_digest[digest] for (digest,) in found)


async def who_came_back(connection: AsyncConnection) -> list[str]:
    """Find people who are on the list and here all the same: a backup brought them back."""
    key = col(PersonKeyRow.key)
    owners: dict[str, None] = {}
    place = ""
    while True:
        wanted = select(key, col(PersonKeyRow.owner_id)).where(key > place)
        rows = list(await connection.execute(wanted.order_by(key).limit(BATCH)))
        if not rows:
            return list(owners)
        place = rows[-1].key
        listed = await forgotten(connection, [row.key for row in rows])
        owners |= {row.owner_id: None for row in rows if row.key in listed}


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()
