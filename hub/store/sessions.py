"""Sessions of the dashboard: made at sign-in, gone at sign-out; a cookie is kept as a hash."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.store.audit import Act, Actor, record
from hub.store.keys import digest
from hub.store.tables import SessionRow, table

_SESSIONS = table(SessionRow)
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in: by a key, or as whom an issuer has named in these claims."""

    ends_at: datetime
    key_id: str | None = None
    issuer: str | None = None
    claims: Mapping[str, Any] | None = None
    opened_at: datetime | None = None

    @property
    def identity(self) -> str:
        """Say whose it is, as the audit does."""
        if self.key_id is not None:
            return f"key:{self.key_id}"
        return f"oidc:{self.issuer}#{(self.claims or {}).get('sub', '')}"


async def open_session(connection: AsyncConnection, session: Session, at: datetime) -> str:
    """Open a session; give its cookie: 256 random bits, different at every sign-in."""
    cookie = secrets.token_urlsafe(32)
    await connection.execute(
        insert(SessionRow).values(
            digest=digest(cookie),
            key_id=session.key_id,
            claims=None if session.claims is None else dict(session.claims),
            issuer=session.issuer,
            opened_at=at,
            ends_at=session.ends_at,
        )
    )
    return cookie


async def session_of(connection: AsyncConnection, cookie: str, at: datetime) -> Session | None:
    """Read the session of a cookie, while it lasts."""
    wanted = select(_SESSIONS).where(_SESSIONS.c.digest == digest(cookie), _SESSIONS.c.ends_at > at)
    row = (await connection.execute(wanted)).first()
    if row is None:
        return None
    return _read(row)


async def sessions(connection: AsyncConnection, at: datetime) -> list[Session]:
    """List those that last, the newest first."""
    wanted = select(_SESSIONS).where(_SESSIONS.c.ends_at > at)
    rows = await connection.execute(wanted.order_by(_SESSIONS.c.opened_at.desc()))
    return [_read(row) for row in rows]


async def end_sessions(
    connection: AsyncConnection, identity: str | None, at: datetime, by: Actor
) -> int:
    """End the sessions of somebody, or all; tell how many lasted still."""
    rows = (await connection.execute(select(_SESSIONS).where(_SESSIONS.c.ends_at > at))).all()
    theirs = [one.digest for one in rows if identity in {None, _read(one).identity}]
    for start in range(0, len(theirs), _BATCH):
        ours = col(SessionRow.digest).in_(theirs[start : start + _BATCH])
        await connection.execute(delete(SessionRow).where(ours))
    if theirs:
        told = {"sessions": len(theirs)}
        await record(connection, by, Act.SESSIONS_ENDED, identity, before=told)
    return len(theirs)


async def end_session(connection: AsyncConnection, cookie: str) -> None:
    await connection.execute(delete(SessionRow).where(col(SessionRow.digest) == digest(cookie)))


async def remove_old_sessions(connection: AsyncConnection, before: datetime, limit: int) -> int:
    old = select(_SESSIONS.c.digest).where(_SESSIONS.c.ends_at < before).limit(limit)
    done = await connection.execute(delete(SessionRow).where(col(SessionRow.digest).in_(old)))
    return done.rowcount


def _read(row: Any) -> Session:
    return Session(row.ends_at, row.key_id, row.issuer, row.claims, row.opened_at)
