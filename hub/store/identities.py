"""Accounts and people: one row each across sources, found by any of their keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel, col

from hub.access import Condition
from hub.signals import new_id
from hub.store.columns import among, among_given
from hub.store.driver import Prebuilt
from hub.store.tables import AccountKeyRow, AccountRow, PersonKeyRow, PersonRow, SignalRow
from hub.store.visible import compile_condition
from hub.words import words_of


@dataclass(frozen=True, slots=True)
class Named:
    """What is to be known: its name, and its keys from the surest to the weakest."""

    name: str
    keys: tuple[str, ...]


_OWNERS: Mapping[type[AccountKeyRow | PersonKeyRow], Prebuilt] = {
    keys: Prebuilt(
        select(col(keys.key), col(keys.owner_id)).where(among_given(col(keys.key), "keys"))
    )
    for keys in (AccountKeyRow, PersonKeyRow)
}


async def know_accounts(
    connection: AsyncConnection, named: Sequence[Named], at: datetime
) -> dict[str, str]:
    """Give the account id of each first key, making those that are new."""
    return await _know(connection, AccountRow, AccountKeyRow, named, at)


async def know_people(
    connection: AsyncConnection, named: Sequence[Named], at: datetime
) -> dict[str, str]:
    return await _know(connection, PersonRow, PersonKeyRow, named, at)


async def _know(
    connection: AsyncConnection,
    owners: type[AccountRow | PersonRow],
    keys: type[AccountKeyRow | PersonKeyRow],
    named: Sequence[Named],
    at: datetime,
) -> dict[str, str]:
    # A page names Acme (domain:acme.example, name:acme) and, elsewhere, only acme (name:acme).
    # Known is, say, name:acme. So Acme is that owner, and domain:acme.example becomes a key of
    # his. Were neither known, Acme would be new and claim both keys, and acme would be that one.
    # Where another writer claims a key first, his claim stands: the keys are read again.
    wanted: dict[str, Named] = {}
    for one in named:
        before = wanted.get(one.keys[0], one)
        wanted[one.keys[0]] = Named(before.name, tuple(dict.fromkeys(before.keys + one.keys)))
    if not wanted:
        return {}
    known = await _owners(connection, keys, {key for one in wanted.values() for key in one.keys})
    claims: dict[str, str] = {}
    fresh: dict[str, str] = {}
    for _, one in sorted(wanted.items()):  # sorted: two writers never wait for each other
        held = [known.get(key) or claims.get(key) for key in one.keys]
        owner = next((value for value in held if value), None)
        if owner is None:
            owner = new_id()
            fresh[owner] = one.name
        claims |= {key: owner for key in one.keys if key not in known and key not in claims}
    if claims:
        await _claim(connection, keys, claims)
        known |= await _owners(connection, keys, set(claims))
        held_now = set(known.values())
        rows = [
            {"id": owner, "name": name, "words": name_words(name), "created_at": at}
            for owner, name in fresh.items()
            if owner in held_now  # else another writer was faster with every one of its keys
        ]
        if rows:
            await connection.execute(insert(owners), rows)
    return {first: known[first] for first in wanted}


def name_words(name: str) -> str:
    """Write a name as search knows it: `crème Brûlée AG` is ` creme brulee ag`."""
    return f" {' '.join(words_of(name))}"


async def _owners(
    connection: AsyncConnection, keys: type[AccountKeyRow | PersonKeyRow], wanted: set[str]
) -> dict[str, str]:
    rows = await _OWNERS[keys].rows(connection, keys=list(wanted))
    return {key: owner for key, owner in rows}  # noqa: C416 - of rows `dict` makes no pairs


async def _claim(
    connection: AsyncConnection, keys: type[SQLModel], claims: Mapping[str, str]
) -> None:
    rows = [{"key": key, "owner_id": owner} for key, owner in sorted(claims.items())]
    await connection.execute(insert_new(connection, keys), rows)


def insert_new(connection: AsyncConnection, table: type[SQLModel]) -> Any:
    """Build an insert that leaves a row with the same key as it is."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


async def named(
    connection: AsyncConnection, ids: Sequence[str], visible: Condition, readable: Condition
) -> tuple[dict[str, str], dict[str, str]]:
    """Name the accounts of these ids that a visible signal is about, and the people of readable."""
    sqlite = connection.dialect.name == "sqlite"
    account, author, owner = (
        col(SignalRow.account_id),
        col(SignalRow.author_id),
        col(SignalRow.owner_id),
    )
    found: list[dict[str, str]] = []
    for table, condition, spoken_of in (
        (AccountRow, visible, lambda id_: account == id_),
        (PersonRow, readable, lambda id_: or_(author == id_, owner == id_)),
    ):
        rows = await connection.execute(
            select(col(table.id), col(table.name)).where(
                among(col(table.id), ids),
                select(1)
                .where(spoken_of(col(table.id)), compile_condition(condition, sqlite=sqlite))
                .exists(),
            )
        )
        found.append({row.id: row.name for row in rows})
    return found[0], found[1]
