"""A connection to SQLite that a cancelled task leaves in order.

SQLite works in a thread. A task that is cancelled while it waits for the thread leaves its
operation there: a BEGIN then takes the write lock for nobody, behind it SQLAlchemy ends the
connection, and with one writer that can stop the hub for good. So an operation that was begun is
waited for, the transaction runs to its end, and only then is the task cancelled.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import aiosqlite

# The tasks whose cancellation waits for the end of their transaction.
_waiting: WeakSet[asyncio.Task[Any]] = WeakSet()


class Whole(aiosqlite.Connection):
    """Holds a cancellation back while an operation is under way; `cancelling` delivers it."""

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        operation = super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]
        return await _to_its_end(operation)

    async def _connect(self) -> aiosqlite.Connection:
        opened: aiosqlite.Connection = await _to_its_end(super()._connect())
        return opened


async def _to_its_end(operation: Coroutine[Any, Any, Any]) -> Any:
    # In a task of its own, which nobody cancels: it ends when the thread has answered.
    work = asyncio.ensure_future(operation)  # noqa: TID251 - waited for right here
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            _waiting.add(task)
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


def connect(database: str) -> Whole:
    """Open a file as `aiosqlite.connect` does; the result is awaited once."""
    connection = Whole(lambda: sqlite3.connect(database), iter_chunk_size=64)
    connection._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does for connections it makes
    return connection
