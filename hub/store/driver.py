"""Statements of a transaction that are given to the driver as they are.

SQLAlchemy takes several times as long over a small statement as the database does: to build it, to
look it up, to convert what goes in and comes out. A page asks twenty. Here a statement is compiled
once, and runs on the transaction's own connection; what fails is SQLAlchemy's error, as elsewhere.
Values and rows are the driver's: on SQLite a time is a text, on both JSON is.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import ClauseElement, Dialect
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.ext.asyncio import AsyncConnection

Found = TypeVar("Found")


async def fetch(connection: AsyncConnection, sql: str, values: Sequence[Any]) -> Sequence[Any]:
    """Execute a statement of the driver's own, and give its rows."""
    driver = _driver(connection)
    if connection.dialect.name == "sqlite":
        return await _translated(connection, sql, _fetch_sqlite(driver, sql, values))
    if not driver.is_in_transaction():
        # SQLAlchemy begins at its first statement, and has to know of what it is to commit.
        await connection.exec_driver_sql("SELECT 1")
    return await _translated_postgres(driver, sql, values)


async def execute_many(
    connection: AsyncConnection, sql: str, rows: Sequence[Sequence[Any]]
) -> None:
    """Execute a statement of SQLite's once for each row."""
    cursor = await _driver(connection).cursor()
    await _translated(connection, sql, cursor.executemany(sql, rows))


@dataclass(frozen=True, eq=False)
class Prebuilt:
    """A statement with named parameters, compiled when it is first asked."""

    statement: ClauseElement

    async def rows(self, connection: AsyncConnection, **values: Any) -> Sequence[Any]:
        sql, places = _compiled(self, connection.dialect)
        return await fetch(connection, sql, [place(values) for place in places])


@lru_cache(maxsize=256)
def _compiled(
    prebuilt: Prebuilt, dialect: Dialect
) -> tuple[str, Sequence[Callable[[Mapping[str, Any]], Any]]]:
    compiled: Any = prebuilt.statement.compile(dialect=dialect)
    state = compiled.construct_expanded_state()
    processors = {**compiled._bind_processors, **state.processors}  # noqa: SLF001 - as a cursor does
    constants = {
        name: value for name, value in state.parameters.items() if compiled.binds[name].unique
    }
    return state.statement, [
        _place(name, processors.get(name), constants) for name in state.positiontup
    ]


def _place(
    name: str, process: Callable[[Any], Any] | None, constants: Mapping[str, Any]
) -> Callable[[Mapping[str, Any]], Any]:
    """Give what finds a parameter's value among those that are given."""
    if name in constants:
        value = process(constants[name]) if process else constants[name]
        return lambda _: value
    if process is None:
        return lambda values: values[name]
    return lambda values: process(values[name])


def _driver(connection: AsyncConnection) -> Any:
    assert connection.sync_connection is not None, "it is open"
    return connection.sync_connection.connection.driver_connection


async def _fetch_sqlite(driver: Any, sql: str, values: Sequence[Any]) -> Sequence[Any]:
    cursor = await driver.cursor()
    await cursor.execute(sql, values)
    rows: Sequence[Any] = await cursor.fetchall()
    return rows


async def _translated(connection: AsyncConnection, sql: str, work: Awaitable[Found]) -> Found:
    try:
        return await work
    except sqlite3.Error as error:
        raise DBAPIError.instance(
            sql, None, error, sqlite3.Error, hide_parameters=True, dialect=connection.dialect
        ) from error


async def _translated_postgres(driver: Any, sql: str, values: Sequence[Any]) -> Sequence[Any]:
    import asyncpg  # noqa: PLC0415 - an extra

    try:
        rows: Sequence[Any] = await driver.fetch(sql, *values)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        away = driver.is_closed()
        kind = InterfaceError if away else DBAPIError
        raise kind(sql, None, error, hide_parameters=True) from error
    return rows
