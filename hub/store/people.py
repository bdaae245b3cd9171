"""One person: who is meant, by what people call them, and what signals have to do with them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.signals import Signal
from hub.store.identities import insert_new
from hub.store.signals import read_signal, select_signals
from hub.store.tables import PersonKeyRow, PersonRow, RevisionRow, SignalRow


@dataclass(frozen=True, slots=True)
class Known:
    """A person as the hub knows them."""

    id: str
    name: str
    keys: tuple[str, ...]


async def find_people(connection: AsyncConnection, asked: str) -> list[Known]:
    """Find people by id, e-mail address, handle or name."""
    key, owner = col(PersonKeyRow.key), col(PersonKeyRow.owner_id)
    ending = f":{asked.casefold()}"
    by_key = select(owner).where(
        or_(
            key == f"email:{asked.lower()}",
            key.like("handle:%") & key.endswith(ending, autoescape=True),
            key.like("name:%") & key.endswith(ending, autoescape=True),
        )
    )
    rows = await connection.execute(
        select(col(PersonRow.id), col(PersonRow.name))
        .where(
            or_(
                col(PersonRow.id) == asked.lower(),
                func.lower(col(PersonRow.name)) == asked.lower(),
                col(PersonRow.id).in_(by_key),
            )
        )
        .order_by(col(PersonRow.id))
    )
    return [Known(row.id, row.name, await _keys(connection, row.id)) for row in rows]


async def _keys(connection: AsyncConnection, person: str) -> tuple[str, ...]:
    key = col(PersonKeyRow.key)
    wanted = select(key).where(col(PersonKeyRow.owner_id) == person).order_by(key)
    return tuple(await connection.scalars(wanted))


async def add_keys(connection: AsyncConnection, person: str, keys: Iterable[str]) -> None:
    """Recognise a person by more keys; one that is somebody else's stays theirs."""
    rows = [{"key": key, "owner_id": person} for key in sorted(set(keys))]
    if rows:
        await connection.execute(insert_new(connection, PersonKeyRow), rows)


async def remove_person(connection: AsyncConnection, person: str) -> None:
    await connection.execute(delete(PersonKeyRow).where(col(PersonKeyRow.owner_id) == person))
    await connection.execute(delete(PersonRow).where(col(PersonRow.id) == person))


async def count_of(connection: AsyncConnection, person: str) -> tuple[int, int]:
    """Count the signals that a person wrote, and those that they are responsible for."""
    counted = [
        await connection.scalar(select(func.count()).where(column == person)) or 0
        for column in (col(SignalRow.author_id), col(SignalRow.owner_id))
    ]
    return counted[0], counted[1]


async def signals_of(connection: AsyncConnection, person: str, limit: int) -> list[Signal]:
    """Read signals that a person wrote or is responsible for."""
    named = or_(col(SignalRow.author_id) == person, col(SignalRow.owner_id) == person)
    rows = await connection.execute(
        select_signals().where(named).order_by(col(SignalRow.id)).limit(limit)
    )
    return [read_signal(row) for row in rows]


async def signals_after(connection: AsyncConnection, after: str, limit: int) -> list[Signal]:
    """Read all signals, in the order of their ids."""
    id_ = col(SignalRow.id)
    rows = await connection.execute(select_signals().where(id_ > after).order_by(id_).limit(limit))
    return [read_signal(row) for row in rows]


async def signals_again(connection: AsyncConnection, ids: Sequence[str]) -> list[Signal]:
    """Read these signals as they are by now."""
    id_ = col(SignalRow.id)
    rows = await connection.execute(select_signals().where(id_.in_(ids), true()).order_by(id_))
    return [read_signal(row) for row in rows]


async def refs_to(
    connection: AsyncConnection, person: str, after: str, limit: int
) -> tuple[str | None, list[tuple[str, Mapping[str, Any]]]]:
    """Read (source, reference) of the versions of a person's signals, and where to go on."""
    signal = col(SignalRow.id)
    named = or_(col(SignalRow.author_id) == person, col(SignalRow.owner_id) == person)
    theirs = select(signal).where(named)
    id_ = col(RevisionRow.id)
    rows = list(
        await connection.execute(
            select(id_, col(RevisionRow.source), col(RevisionRow.data))
            .where(col(RevisionRow.signal_id).in_(theirs), id_ > after)
            .order_by(id_)
            .limit(limit)
        )
    )
    refs = [
        (row.source, row.data[part])
        for row in rows
        for part in ("author", "owner")
        if row.data.get(part)
    ]
    return (rows[-1].id if rows else None), refs
