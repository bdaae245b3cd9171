"""The audit: every administrative act, written in the transaction of the act itself.

Neither secrets nor people's names are in it: a key is told by its id, a person by theirs. So
nothing in it has to be changed when somebody is forgotten, and triggers let nobody change it.
"""

import getpass
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, insert, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.signals import Viewer, new_id
from hub.store.clock import clock
from hub.store.tables import AuditRow, table

_AUDIT = table(AuditRow)


class Act(StrEnum):
    """What was done."""

    KEY_CREATED = "key_created"
    KEY_REVOKED = "key_revoked"
    SESSIONS_ENDED = "sessions_ended"
    CONFIGURATION_APPLIED = "configuration_applied"
    SOURCE_SYNCED = "source_synced"
    SOURCE_PAUSED = "source_paused"
    SOURCE_RESUMED = "source_resumed"
    PERSON_FORGOTTEN = "person_forgotten"
    RETENTION_RUN = "retention_run"
    DOCUMENT_REGISTERED = "document_registered"
    DOCUMENT_REMOVED = "document_removed"
    DATABASE_RESTORED = "database_restored"


class Via(StrEnum):
    """Through which door."""

    API = "api"
    COMMAND = "command"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: `key:<id>`, `oidc:<issuer>#<subject>`, or a command and who ran it where."""

    name: str
    via: Via


@dataclass(frozen=True, slots=True)
class Entry:
    id: str
    at: datetime
    actor: str
    via: Via
    act: Act
    subject: str | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def actor_of(viewer: Viewer) -> Actor:
    """Say who acts through the API."""
    assert viewer.identity is not None, "nobody administers without having signed in"
    return Actor(viewer.identity, Via.API)


def operator(command: str) -> Actor:
    """Say who acts on the machine itself: by which command, as which of its users."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "unnamed"
    return Actor(f"{command} by {user} on {platform.node()}", Via.COMMAND)


async def record(
    connection: AsyncConnection,
    actor: Actor,
    act: Act,
    subject: str | None = None,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Append an act; it is there if and only if the transaction commits."""
    await connection.execute(
        insert(AuditRow).values(
            id=new_id(),
            at=await clock(connection),
            actor=actor.name,
            via=actor.via,
            act=act,
            subject=subject,
            before=None if before is None else dict(before),
            after=None if after is None else dict(after),
        )
    )


async def entries(
    connection: AsyncConnection,
    *,
    limit: int,
    after: tuple[Any, ...] | None = None,
    before: tuple[Any, ...] | None = None,
    backward: bool = False,
) -> list[Entry]:
    """Read so many acts, newest first, between two (at, id); `backward`: the last of them."""
    at, id_ = _AUDIT.c.at, _AUDIT.c.id
    order = tuple_(at, id_)
    wanted = select(_AUDIT).limit(limit)
    if after is not None:
        wanted = wanted.where(order < _place(after))
    if before is not None:
        wanted = wanted.where(order > _place(before))
    keys = (at, id_) if backward else (at.desc(), id_.desc())
    found = [_read(row) for row in await connection.execute(wanted.order_by(*keys))]
    return found[::-1] if backward else found


async def entry(connection: AsyncConnection, id_: str) -> Entry | None:
    """Read one act."""
    row = (await connection.execute(select(_AUDIT).where(_AUDIT.c.id == id_))).first()
    return _read(row) if row is not None else None


def _place(key: tuple[Any, ...]) -> ColumnElement[Any]:
    return tuple_(literal(key[0], _AUDIT.c.at.type), literal(key[1], _AUDIT.c.id.type))


def _read(row: Any) -> Entry:
    return Entry(
        row.id, row.at, row.actor, Via(row.via), Act(row.act), row.subject, row.before, row.after
    )
