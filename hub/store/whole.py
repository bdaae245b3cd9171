"""A connection to SQLite that a cancelled task leaves in order, and that asks its thread once.

SQLite works in a thread. A task that is cancelled while it waits for the thread leaves its
operation there: a BEGIN then takes the write lock for nobody, behind it SQLAlchemy ends the
connection, and with one writer that can stop the hub for good. So an operation that was begun is
waited for, the transaction runs to its end, and only then is the task cancelled.

A trip to the thread and back costs more than most statements do, and the driver makes four for
each: for a cursor, to execute, for the rows, to close. Here they are one.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextlib import closing, contextmanager
from typing import Any
from weakref import WeakSet

import aiosqlite
from aiosqlite.context import contextmanager as awaited_or_entered

# An interrupt ends what the thread is at; what it has not begun by then meets the next one.
INTERRUPTED_EVERY = 0.05  # seconds

# The tasks whose cancellation waits for the end of their transaction.
_waiting: WeakSet[asyncio.Task[Any]] = WeakSet()


class Whole(aiosqlite.Connection):
    """Holds a cancellation back while an operation is under way; `cancelling` delivers it.

    `only_reads`: what it reads is then of use to nobody, and is interrupted.
    """

    only_reads = False

    @awaited_or_entered
    async def cursor(self) -> aiosqlite.Cursor:
        return Cursor(self, self._conn)

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        operation = super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]
        return await _to_its_end(operation, self._interrupt if self.only_reads else None)

    async def _connect(self) -> aiosqlite.Connection:
        opened: aiosqlite.Connection = await _to_its_end(super()._connect())
        return opened

    def _interrupt(self) -> None:
        if self._connection is not None:
            self._connection.interrupt()


class Cursor(aiosqlite.Cursor):
    """Brings all rows of a statement with it; they are taken with `fetchall`."""

    def __init__(self, connection: Whole, raw: sqlite3.Connection) -> None:
        self._conn = connection
        self._raw = raw
        self._rows: list[Any] = []

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> "Cursor":
        await self._in_thread(sqlite3.Cursor.execute, sql, parameters or ())
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> "Cursor":
        await self._in_thread(sqlite3.Cursor.executemany, sql, parameters)
        return self

    async def _in_thread(self, execute: Callable[..., Any], sql: str, parameters: Any) -> None:
        def run() -> None:
            self._cursor = self._raw.cursor()
            with closing(self._cursor):
                execute(self._cursor, sql, parameters)
                self._rows = self._cursor.fetchall()

        await self._execute(run)  # type: ignore[no-untyped-call]

    async def fetchall(self) -> list[Any]:
        return self._rows

    async def close(self) -> None:
        """Do nothing: it was closed when its rows were read."""


async def _to_its_end(
    operation: Coroutine[Any, Any, Any], interrupt: Callable[[], None] | None = None
) -> Any:
    # In a task of its own, which nobody cancels: it ends when the thread has answered.
    work = asyncio.ensure_future(operation)  # noqa: TID251 - waited for right here
    again: float | None = None
    while not work.done():
        try:
            await asyncio.wait({work}, timeout=again)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            _waiting.add(task)
            again = INTERRUPTED_EVERY if interrupt is not None else None
        if again is not None and interrupt is not None and not work.done():
            interrupt()
    return work.result()


@contextmanager
def cancelling() -> Generator[None]:
    """Cancel the task at the end of the block if it was to be cancelled within."""
    try:
        yield
    finally:
        task = asyncio.current_task()
        if task is not None and task in _waiting:
            _waiting.discard(task)
            raise asyncio.CancelledError


def connect(database: str, *, only_reads: bool = False) -> Whole:
    """Open a file as `aiosqlite.connect` does; the result is awaited once."""
    connection = Whole(lambda: sqlite3.connect(database), iter_chunk_size=64)
    connection.only_reads = only_reads
    connection._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does for connections it makes
    return connection
