"""Pages of accounts and of people, by name: those that a visible signal speaks of."""

from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.access import Condition
from hub.store import log
from hub.store.pages import Found, Window, keyset
from hub.store.tables import AccountRow, PersonRow, SignalRow
from hub.store.visible import compile_condition
from hub.words import read_query

Row = type[AccountRow | PersonRow]


async def names_page(
    connection: AsyncConnection, rows: Row, visible: Condition, search: str | None, window: Window
) -> Found[tuple[str, str]]:
    """Read (id, name) in the order of the names; `search`: names with these words' beginnings.

    Raises Refused for what cannot be searched for.
    """
    sqlite = connection.dialect.name == "sqlite"
    id_, words = col(rows.id), col(rows.words)
    named_in = (
        (col(SignalRow.account_id),)
        if rows is AccountRow
        else (col(SignalRow.author_id), col(SignalRow.owner_id))
    )
    seen = compile_condition(visible, sqlite=sqlite)
    wanted: Any = select(id_, col(rows.name), words).where(
        or_(*(select(1).where(column == id_, seen).exists() for column in named_in))
    )
    place = func.instr if sqlite else func.strpos
    for term in read_query(search).terms if search is not None else ():
        wanted = wanted.where(or_(*(place(words, f" {' '.join(form)}") > 0 for form in term.forms)))
    found = list(await connection.execute(keyset(wanted, (words, id_), window, descending=False)))
    more = len(found) > window.size
    found = found[: window.size]
    return Found(
        [((row.words, row.id), (row.id, row.name)) for row in found],
        has_next=more,
        has_previous=window.after is not None,
        head=await log.head(connection),
    )
