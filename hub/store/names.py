"""Pages of accounts and of people, by name: those that a visible signal speaks of."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.access import Condition
from hub.store import log
from hub.store.pages import Found, Window, keyset
from hub.store.tables import AccountRow, PersonRow, SignalRow
from hub.store.visible import compile_condition
from hub.words import read_query

Row = type[AccountRow | PersonRow]


def named_in(rows: Row) -> tuple[Any, ...]:
    """Say which columns of a signal name these."""
    if rows is AccountRow:
        return (col(SignalRow.account_id),)
    return (col(SignalRow.author_id), col(SignalRow.owner_id))


@dataclass(frozen=True, slots=True)
class Names:
    """Which accounts, or people: `search`: whose names have words that begin as its words do."""

    rows: Row
    visible: Condition
    search: str | None = None

    def narrow(self, wanted: Select[Any], *, sqlite: bool) -> Select[Any]:
        """Raise Refused for what cannot be searched for."""
        id_, words = col(self.rows.id), col(self.rows.words)
        seen = compile_condition(self.visible, sqlite=sqlite)
        wanted = wanted.where(
            or_(*(select(1).where(column == id_, seen).exists() for column in named_in(self.rows)))
        )
        place = func.instr if sqlite else func.strpos
        for term in read_query(self.search).terms if self.search is not None else ():
            begin = (place(words, f" {' '.join(form)}") > 0 for form in term.forms)
            wanted = wanted.where(or_(*begin))
        return wanted


async def names_page(
    connection: AsyncConnection, names: Names, window: Window
) -> Found[tuple[str, str]]:
    """Read (id, name) in the order of the names. Raises Refused."""
    id_, words = col(names.rows.id), col(names.rows.words)
    wanted: Any = select(id_, col(names.rows.name), words)
    wanted = names.narrow(wanted, sqlite=connection.dialect.name == "sqlite")
    found = list(await connection.execute(keyset(wanted, (words, id_), window, descending=False)))
    more = len(found) > window.size
    found = found[: window.size]
    if window.backward:
        found.reverse()
    return Found(
        [((row.words, row.id), (row.id, row.name)) for row in found],
        has_next=window.before is not None if window.backward else more,
        has_previous=more if window.backward else window.after is not None,
        head=await log.head(connection),
    )


async def count_names(connection: AsyncConnection, names: Names) -> int:
    """Count them all: only when asked. Raises Refused."""
    wanted = select(func.count()).select_from(names.rows)
    wanted = names.narrow(wanted, sqlite=connection.dialect.name == "sqlite")
    return await connection.scalar(wanted) or 0
