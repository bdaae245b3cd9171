"""Writes the rows of a page at once: what does not depend on them is worked out beforehand.

SQLAlchemy prepares every value of every row by itself, which costs more than the database does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Dialect, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.store.columns import JsonText, UtcDateTime, json_text, sqlite_time
from hub.store.driver import execute_many, fetch

Write = Callable[[Any], Any]

# Their values are members of enumerations, for each of which SQLite's driver seeks an adapter.
_ENUMS = {"department", "origin", "status", "outcome", "state", "type"}


@dataclass(frozen=True)
class Insert:
    """An INSERT into a table; a row is a tuple of the values of `columns`, in their order.

    PostgreSQL takes all rows in one statement, an array a column; SQLite takes one by one.
    """

    table: Table
    columns: tuple[str, ...]

    async def rows(self, connection: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> None:
        await _write(connection, self, rows)

    def sql(self, dialect: Dialect) -> str:
        names = ", ".join(self.columns)
        if dialect.name == "sqlite":
            given = f"VALUES ({', '.join('?' for _ in self.columns)})"
        else:
            given = _page(self.table, self.columns, dialect)
        return f"INSERT INTO {self.table.name} ({names}) {given}"


@dataclass(frozen=True)
class Update:
    """An UPDATE of the rows whose first column is as given; taken as by `Insert`, each row once."""

    table: Table
    columns: tuple[str, ...]

    async def rows(self, connection: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> None:
        if connection.dialect.name == "sqlite":
            rows = [(*row[1:], row[0]) for row in rows]
        await _write(connection, self, rows)

    def sql(self, dialect: Dialect) -> str:
        key, *others = self.columns
        name = self.table.name
        if dialect.name == "sqlite":
            to = ", ".join(f"{one} = ?" for one in others)
            return f"UPDATE {name} SET {to} WHERE {key} = ?"  # noqa: S608 - all of it ours
        to = ", ".join(f"{one} = page.{one}" for one in others)
        page = _page(self.table, self.columns, dialect)
        return f"UPDATE {name} SET {to} FROM ({page}) AS page WHERE {name}.{key} = page.{key}"  # noqa: S608 - all of it ours


async def _write(
    connection: AsyncConnection, into: Insert | Update, rows: Sequence[tuple[Any, ...]]
) -> None:
    if not rows:
        return
    sql, writes = _prepared(into, connection.dialect)
    columns = zip(zip(*rows, strict=True), writes, strict=True)
    values = [_written(column, write) if write else column for column, write in columns]
    if connection.dialect.name == "sqlite":
        await execute_many(connection, sql, list(zip(*values, strict=True)))
    else:
        await fetch(connection, sql, values)


def _written(column: Sequence[Any], write: Write) -> list[Any]:
    """Write a column. An object that stands in many rows (the page's time) is written once."""
    known: dict[int, Any] = {id(None): None}
    written: list[Any] = []
    for one in column:
        key = id(one)
        if key not in known:
            known[key] = write(one)
        written.append(known[key])
    return written


@lru_cache(maxsize=100)
def _prepared(into: Insert | Update, dialect: Dialect) -> tuple[str, Sequence[Write | None]]:
    """Give the statement, and what makes the values of each parameter the driver's."""
    names = into.columns
    if isinstance(into, Update) and dialect.name == "sqlite":
        names = (*names[1:], names[0])
    return into.sql(dialect), [_writes(into.table.columns[name], dialect) for name in names]


def _page(table: Table, names: Sequence[str], dialect: Dialect) -> str:
    """Write how PostgreSQL takes rows: an array a column."""
    columns = [table.columns[name] for name in names]
    taken, arrays = zip(
        *(_taken(place, one, dialect) for place, one in enumerate(columns, 1)), strict=True
    )
    named = ", ".join(f"{one} AS {name}" for one, name in zip(taken, names, strict=True))
    places = ", ".join(f"c{place}" for place, _ in enumerate(columns, 1))
    return f"SELECT {named} FROM unnest({', '.join(arrays)}) AS given ({places})"  # noqa: S608 - all of it ours


def _writes(column: Column[Any], dialect: Dialect) -> Write | None:
    if dialect.name == "sqlite":
        # Each takes less than what SQLAlchemy, or the driver, would put around it.
        if isinstance(column.type, UtcDateTime):
            return sqlite_time
        if isinstance(column.type, JsonText):
            return json_text
        if column.name in _ENUMS:
            return str
    return column.type.dialect_impl(dialect).bind_processor(dialect)


def _taken(place: int, column: Column[Any], dialect: Dialect) -> tuple[str, str]:
    """Write how PostgreSQL takes a column's values, and the array that they come in."""
    type_ = column.type.compile(dialect).partition(" COLLATE ")[0]
    # JSON comes as text: the driver would convert an array of jsonb value by value once more.
    # Words come as text, too.
    if type_ in {"JSONB", "TSVECTOR"}:
        return f"c{place}::{type_.lower()}", f"${place}::text[]"
    return f"c{place}", f"${place}::{type_}[]"
