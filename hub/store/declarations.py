"""Makes the sources of hub.toml known; what was learnt of one before stays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.store.identities import insert_new
from hub.store.sources import State
from hub.store.tables import SourceRow, table

_SOURCES = table(SourceRow)


@dataclass(frozen=True, slots=True)
class DeclaredSource:
    """A source as hub.toml has it. `problem`: why its newest tables are not in force."""

    name: str
    connector: str
    fingerprint: str
    notify_after: datetime | None
    problem: str | None = None
    polled: bool = True


async def declare_hub(connection: AsyncConnection, name: str, at: datetime) -> None:
    """Make the source of the hub's own and people's signals known; nobody polls it."""
    row = _new(DeclaredSource(name, name, "", None), at) | {"state": State.OK, "next_poll_at": None}
    await connection.execute(insert_new(connection, SourceRow), [row])


async def declare_sources(
    connection: AsyncConnection,
    declared: Sequence[DeclaredSource],
    at: datetime,
    *,
    kept: Mapping[str, str],
    own: str,
) -> set[str]:
    """Make hub.toml's sources known and the others removed; name those whose settings changed.

    An old one keeps its cursor whatever else has changed. `kept`, by name with the problem, stay
    altogether as they are; `own`, the hub's, is in no file.
    """
    # All of them, in the order in which `prolong` takes them: so nobody waits for each other.
    known = select(_SOURCES).order_by(_SOURCES.c.name).with_for_update()
    rows = {row.name: row for row in await connection.execute(known)}
    changes: dict[str, dict[str, Any]] = {
        name: {"state": State.REMOVED, "problem": None}
        for name in rows.keys() - {one.name for one in declared} - kept.keys() - {own}
    }
    changes |= {name: {"problem": problem} for name, problem in kept.items() if name in rows}
    changes |= {one.name: _changes(rows[one.name], one, at) for one in declared if one.name in rows}
    for name, values in changes.items():
        if any(getattr(rows[name], key) != value for key, value in values.items()):
            this = update(SourceRow).where(col(SourceRow.name) == name)
            await connection.execute(this.values(values))
    if new := [_new(one, at) for one in declared if one.name not in rows]:
        await connection.execute(insert(SourceRow), new)
    return {
        one.name
        for one in declared
        if one.name not in rows or rows[one.name].fingerprint != one.fingerprint
    }


def _new(source: DeclaredSource, at: datetime) -> dict[str, Any]:
    return {
        "name": source.name,
        "connector": source.connector,
        "fingerprint": source.fingerprint,
        "state": State.WAITING,
        "cursor": {},
        "added_at": at,
        "notify_after": source.notify_after or at,
        "next_poll_at": at if source.polled else None,
        "problem": source.problem,
        "failures": 0,
    }


def _changes(old: Any, source: DeclaredSource, at: datetime) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "connector": source.connector,
        "fingerprint": source.fingerprint,
        "problem": source.problem,
    }
    if source.notify_after is not None:
        changes["notify_after"] = source.notify_after
    if old.state == State.REMOVED:
        state = State.OK if old.last_success_at else State.WAITING
        changes |= {"state": state, "failures": 0, "next_poll_at": at if source.polled else None}
    elif old.fingerprint != source.fingerprint:
        # What kept it from working may be mended.
        changes["next_poll_at"] = at if source.polled else None
    return changes
