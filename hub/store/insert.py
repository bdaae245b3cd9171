"""Writes the rows of a page at once: what does not depend on them is worked out beforehand.

SQLAlchemy prepares every value of every row by itself, which costs more than the database does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Dialect, Table
from sqlalchemy.ext.asyncio import AsyncConnection

Write = Callable[[Any], Any]


@dataclass(frozen=True)
class Insert:
    """An INSERT into a table; a row is a tuple of the values of `columns`, in their order.

    PostgreSQL takes all rows in one statement, an array a column; SQLite takes one by one.
    """

    table: Table
    columns: tuple[str, ...]

    async def rows(self, connection: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        sql, writes = _prepared(self, connection.dialect)
        values = [
            [None if one is None else write(one) for one in column] if write else column
            for column, write in zip(zip(*rows, strict=True), writes, strict=True)
        ]
        if connection.dialect.name == "sqlite":
            await connection.exec_driver_sql(sql, list(zip(*values, strict=True)))
        else:
            await connection.exec_driver_sql(sql, tuple(values))


@lru_cache(maxsize=100)
def _prepared(insert: Insert, dialect: Dialect) -> tuple[str, Sequence[Write | None]]:
    """Give the statement, and what makes the values of each column the driver's."""
    columns = [insert.table.columns[name] for name in insert.columns]
    if dialect.name == "sqlite":
        rows = f"VALUES ({', '.join('?' for _ in columns)})"
    else:
        taken, arrays = zip(
            *(_taken(place, one, dialect) for place, one in enumerate(columns, 1)), strict=True
        )
        names = ", ".join(f"c{place}" for place, _ in enumerate(columns, 1))
        rows = f"SELECT {', '.join(taken)} FROM unnest({', '.join(arrays)}) AS page ({names})"  # noqa: S608 - all of it ours
    sql = f"INSERT INTO {insert.table.name} ({', '.join(insert.columns)}) {rows}"
    return sql, [one.type.dialect_impl(dialect).bind_processor(dialect) for one in columns]


def _taken(place: int, column: Column[Any], dialect: Dialect) -> tuple[str, str]:
    """Write how PostgreSQL takes a column's values, and the array that they come in."""
    type_ = column.type.compile(dialect).partition(" COLLATE ")[0]
    # JSON comes as text: the driver would convert an array of jsonb value by value once more.
    # Words come as text, too.
    if type_ in {"JSONB", "TSVECTOR"}:
        return f"c{place}::{type_.lower()}", f"${place}::text[]"
    return f"c{place}", f"${place}::{type_}[]"
