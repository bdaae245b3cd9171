"""Short reads of PostgreSQL over connections of their own, by its driver: see `hub.store.reads`."""

import asyncio
from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import asyncpg
from sqlalchemy import URL
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

MOST_CONNECTIONS = 10
LONGEST_VERSION = 2.0  # seconds until answers are made without knowing a version
IDLE = 300.0  # seconds after which a connection is not trusted any more: who is between may cut it
# What SQLAlchemy takes out of a URL for itself.
_NOT_ASYNCPGS = ("prepared_statement_cache_size", "prepared_statement_name_func", "async_fallback")

# A server that takes over may count the same transactions anew: it began at another time.
_SNAPSHOT = "SELECT pg_current_snapshot()::text, pg_postmaster_start_time()"
# A connection that was cut while nobody used it fails in any of these ways.
_AWAY = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


@dataclass(slots=True)
class OverPool:
    """Reads PostgreSQL over connections that nothing else uses.

    asyncpg's own pool clears a connection's state in a task of its own each time, which takes as
    long as a short read; a read leaves no state. So whoever reads takes the connection that was
    used last, and puts it back.
    """

    url: URL
    _free: list[tuple[Any, float]] = field(default_factory=list)
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_CONNECTIONS))
    _is_closed: bool = False
    _waiting: list[asyncio.Future[Hashable | None]] = field(default_factory=list)
    _asking: asyncio.Future[None] | None = None

    async def rows(self, sql: str, values: Sequence[Any]) -> Sequence[Any] | None:
        async with self._places:
            try:
                connection = self._usable() or await self._opened()
            except _AWAY:
                return None
            try:
                found: Sequence[Any] = await connection.fetch(sql, *values)
            except _AWAY:
                connection.terminate()
                return None
            except BaseException:  # cancelled: its answer may still be on the way
                connection.terminate()
                raise
            if self._is_closed:
                connection.terminate()
            else:
                self._free.append((connection, monotonic()))
            return found

    def _usable(self) -> Any:
        while self._free:
            connection, used = self._free.pop()
            if not connection.is_closed():
                if monotonic() - used < IDLE:
                    return connection
                connection.terminate()
        return None

    async def _opened(self) -> Any:
        dialect: Any = PGDialect_asyncpg
        _, options = dialect().create_connect_args(self.url)
        for name in _NOT_ASYNCPGS:
            options.pop(name, None)
        return await asyncpg.connect(**options)

    async def version(self) -> Hashable | None:
        """Ask for the newest snapshot: two that are equal see the same transactions.

        Whoever comes while it is asked for waits for the next, since his may have to see more;
        those who wait together ask once. None as well where no answer comes.
        """
        waiter: asyncio.Future[Hashable | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._ask())  # noqa: TID251 - it tells the waiters
        return await waiter

    async def _ask(self) -> None:
        """Tell those who wait, and those who come meanwhile, until nobody does."""
        told: list[asyncio.Future[Hashable | None]] = []
        try:
            while self._waiting:
                told, self._waiting = self._waiting, []
                found: Sequence[Any] | None = None
                with suppress(TimeoutError):
                    async with asyncio.timeout(LONGEST_VERSION):
                        found = await self.rows(_SNAPSHOT, ())
                _tell(told, None if found is None else tuple(found[0]))
        finally:
            self._asking = None
            _tell([*told, *self._waiting], None)  # those who were not: it was cancelled, or a bug
            self._waiting = []

    async def close(self) -> None:
        self._is_closed = True
        while self._free:
            connection, _ = self._free.pop()
            await connection.close(timeout=1)


def _tell(waiters: Iterable[asyncio.Future[Hashable | None]], version: Hashable | None) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(version)
