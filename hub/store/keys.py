"""API keys: made once, shown once, kept as a hash."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.signals import Viewer, new_id
from hub.store.tables import KeyRow, table

PREFIX = "hub_"
SHOWN = len(PREFIX) + 6  # letters of a key that may be shown to recognise it


@dataclass(frozen=True, slots=True)
class Key:
    id: str
    prefix: str
    name: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    person: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


def new_key() -> str:
    """Make a key of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    # A fast hash is right here: the key is random, not a password that could be guessed.
    return sha256(key.encode()).hexdigest()


async def add_key(
    connection: AsyncConnection,
    key: str,
    *,
    name: str,
    roles: Iterable[str],
    scopes: Iterable[str] = (),
    person: str | None = None,
    at: datetime,
    expires_at: datetime | None = None,
) -> str:
    """Store a key's hash; give its id."""
    key_id = new_id()
    await connection.execute(
        insert(KeyRow).values(
            id=key_id,
            digest=digest(key),
            prefix=key[:SHOWN],
            name=name,
            roles=sorted(set(roles)),
            scopes=sorted(set(scopes)),
            person=person,
            created_at=at,
            expires_at=expires_at,
        )
    )
    return key_id


async def viewer_of_key(connection: AsyncConnection, key: str, at: datetime) -> Viewer | None:
    """Say who comes with this key; None when it is unknown, expired or revoked."""
    return await _viewer(connection, col(KeyRow.digest) == digest(key), at)


async def viewer_of_id(connection: AsyncConnection, key_id: str, at: datetime) -> Viewer | None:
    """Say who signed in with the key of this id, while it is valid."""
    return await _viewer(connection, col(KeyRow.id) == key_id, at)


async def keys(connection: AsyncConnection) -> list[Key]:
    rows = await connection.execute(select(table(KeyRow)).order_by(col(KeyRow.created_at)))
    return [
        Key(
            row.id,
            row.prefix,
            row.name,
            tuple(row.roles),
            tuple(row.scopes),
            row.person,
            row.created_at,
            row.expires_at,
            row.revoked_at,
        )
        for row in rows
    ]


async def revoke(connection: AsyncConnection, key_id: str, at: datetime) -> bool:
    """Revoke by id or by the letters shown; False when no such key is in force."""
    done = await connection.execute(
        update(KeyRow)
        .where(
            or_(col(KeyRow.id) == key_id, col(KeyRow.prefix) == key_id),
            col(KeyRow.revoked_at).is_(None),
        )
        .values(revoked_at=at)
    )
    return done.rowcount > 0


async def _viewer(connection: AsyncConnection, which: Any, at: datetime) -> Viewer | None:
    row = (
        await connection.execute(
            select(table(KeyRow)).where(
                which,
                col(KeyRow.revoked_at).is_(None),
                or_(col(KeyRow.expires_at).is_(None), col(KeyRow.expires_at) > at),
            )
        )
    ).first()
    if row is None:
        return None
    return Viewer(
        roles=frozenset(row.roles),
        scopes=frozenset(row.scopes),
        person=row.person,
        key_id=row.id,
        name=row.name,
    )
