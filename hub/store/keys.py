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

from hub.signals import USUAL, Scope, Viewer, iso, new_id
from hub.store.audit import Act, Actor, operator, record
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
    by: Actor | None = None,
) -> str:
    """Store a key's hash; give its id. `by`: who makes it, unless it is a program of ours."""
    key_id, roles, scopes = new_id(), sorted(set(roles)), sorted(set(scopes))
    await connection.execute(
        insert(KeyRow).values(
            id=key_id,
            digest=digest(key),
            prefix=key[:SHOWN],
            name=name,
            roles=roles,
            scopes=scopes,
            person=person,
            created_at=at,
            expires_at=expires_at,
        )
    )
    told = {
        "prefix": key[:SHOWN],
        "roles": roles,
        "scopes": sorted(scopes_of(scopes)),
        "expires_at": iso(expires_at) if expires_at else None,
    }
    actor = by or operator("a program")
    await record(connection, actor, Act.KEY_CREATED, f"key:{key_id}", after=told)
    return key_id


def scopes_of(stored: Iterable[str]) -> frozenset[str]:
    """Give the scopes of a key; one that says nothing, as all did once, reads and publishes."""
    scopes = frozenset(stored)
    return scopes if scopes - {Scope.ADMIN} else scopes | USUAL


async def viewer_of_key(connection: AsyncConnection, key: str, at: datetime) -> Viewer | None:
    """Say who comes with this key; None when it is unknown, expired or revoked."""
    return await _viewer(connection, col(KeyRow.digest) == digest(key), at)


async def viewer_of_id(connection: AsyncConnection, key_id: str, at: datetime) -> Viewer | None:
    """Say who signed in with the key of this id, while it is valid."""
    return await _viewer(connection, col(KeyRow.id) == key_id, at)


async def keys(connection: AsyncConnection) -> list[Key]:
    rows = await connection.execute(select(table(KeyRow)).order_by(col(KeyRow.created_at)))
    return [_read(row) for row in rows]


async def key_of_id(connection: AsyncConnection, key_id: str) -> Key | None:
    """Read one key, in force or not."""
    rows = await connection.execute(select(table(KeyRow)).where(col(KeyRow.id) == key_id))
    row = rows.first()
    return _read(row) if row is not None else None


def _read(row: Any) -> Key:
    return Key(
        row.id,
        row.prefix,
        row.name,
        tuple(row.roles),
        tuple(sorted(scopes_of(row.scopes))),
        row.person,
        row.created_at,
        row.expires_at,
        row.revoked_at,
    )


async def revoke(
    connection: AsyncConnection, key_id: str, at: datetime, by: Actor | None = None
) -> list[str]:
    """Revoke by id or by the letters shown; give the ids of the keys that were in force."""
    done = await connection.scalars(
        update(KeyRow)
        .where(
            or_(col(KeyRow.id) == key_id, col(KeyRow.prefix) == key_id),
            col(KeyRow.revoked_at).is_(None),
        )
        .values(revoked_at=at)
        .returning(col(KeyRow.id))
    )
    ids = list(done)
    for id_ in ids:
        actor = by or operator("a program")
        told = {"revoked_at": iso(at)}
        await record(
            connection,
            actor,
            Act.KEY_REVOKED,
            f"key:{id_}",
            before={"revoked_at": None},
            after=told,
        )
    return ids


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
        scopes=scopes_of(row.scopes),
        person=row.person,
        key_id=row.id,
        name=row.name,
        until=row.expires_at,
    )
