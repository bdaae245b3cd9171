"""Short reads by the driver itself: statements as text, rows as they come.

SQLAlchemy's own way costs more than most of the reads: on PostgreSQL a ping, a greenlet and a
check of types for each, on SQLite two changes of thread. Here PostgreSQL is asked over connections
of its own in AUTOCOMMIT, which asyncpg's are; SQLite on the loop's own thread, where an indexed
read takes less than the change to another. A read that takes longer there is stopped, and done in
a thread; so is, for a while, each of its statement.

Whatever goes wrong here, the ordinary way is gone again: it knows the errors.
"""

import asyncio
import sqlite3
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

from sqlalchemy import URL

LONGEST = 0.010  # seconds that a read may keep the loop
SLOW_FOR = 60.0  # seconds for which a statement that took longer is left to a thread
MOST_SLOW = 256
_STEPS = 2000  # of SQLite's machine between two looks at the clock: some tens of microseconds


class Reads(Protocol):
    async def rows(self, sql: str, values: Sequence[Any]) -> Sequence[Any] | None:
        """Give the rows; None when the ordinary way must be gone."""

    async def version(self) -> Hashable | None:
        """Name the data as they are now: another name after every commit, whoever made it.

        None where it cannot be said.
        """

    async def close(self) -> None: ...


def reads(url: URL, pragmas: Sequence[str]) -> Reads | None:
    """Choose how a database is read; None where there is no short way."""
    if url.get_backend_name() == "sqlite":
        return OnTheLoop(url.database, pragmas) if url.database else None
    from hub.store.pool import OverPool  # noqa: PLC0415 - its driver is an extra

    return OverPool(url)


@dataclass(slots=True)
class OnTheLoop:
    """Reads SQLite on the loop's own thread, for a moment at most."""

    file: str
    pragmas: Sequence[str]
    longest: float = LONGEST
    _connection: sqlite3.Connection | None = None
    _until: float = 0.0
    _slow: dict[str, float] = field(default_factory=dict)
    _said: Hashable | None = None

    async def rows(self, sql: str, values: Sequence[Any]) -> Sequence[Any] | None:
        began = monotonic()
        if self._slow.get(sql, 0.0) > began:
            return None
        self._until = began + self.longest
        try:
            if self._connection is None:
                self._connection = self._opened()
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.OperationalError:  # it took too long, or the file cannot be read just now
            if monotonic() >= self._until:
                if len(self._slow) >= MOST_SLOW:
                    self._slow.clear()
                self._slow[sql] = began + SLOW_FOR
            return None

    async def version(self) -> Hashable | None:
        # Whoever asks within one turn of the loop is told the same: what set them going was queued
        # before we looked, so nothing that they know of was committed since.
        if self._said is None:
            # Changes with every commit over any other connection, and this one never writes.
            found = await self.rows("PRAGMA data_version", ())
            if found is None:
                return None
            self._said = (id(self._connection), found[0][0])
            asyncio.get_running_loop().call_soon(self._unsay)
        return self._said

    def _unsay(self) -> None:
        self._said = None

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, isolation_level=None, timeout=0)
        for pragma in self.pragmas:
            if not pragma.startswith("busy_timeout"):  # whoever waits would wait on the loop
                connection.execute(f"PRAGMA {pragma}")
        connection.execute("PRAGMA query_only=ON")
        connection.set_progress_handler(lambda: monotonic() >= self._until, _STEPS)
        return connection

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
