"""Short reads of PostgreSQL over connections of their own, by its driver: see `hub.store.reads`."""

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from sqlalchemy import URL
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

MOST_CONNECTIONS = 10
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
    """Reads PostgreSQL over connections that nothing else uses."""

    url: URL
    _pool: Any = None
    _now: asyncio.Future[Hashable | None] | None = None
    _next: asyncio.Future[Hashable | None] | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def rows(self, sql: str, values: Sequence[Any]) -> Sequence[Any] | None:
        try:
            if self._pool is None:
                await self._open()
            found: Sequence[Any] = await self._pool.fetch(sql, *values)
        except _AWAY:
            return None
        return found

    async def version(self) -> Hashable | None:
        """Ask for the newest snapshot: two that are equal see the same transactions.

        Whoever comes while it is asked for waits for the next, since his may have to see more;
        those who wait together ask once.
        """
        if self._next is None:
            self._next = asyncio.ensure_future(self._asked(self._now))  # noqa: TID251 - awaited
        return await asyncio.shield(self._next)

    async def _asked(self, before: asyncio.Future[Hashable | None] | None) -> Hashable | None:
        if before is not None and not before.done():
            await asyncio.wait({before})
        self._now, self._next = self._next, None
        found = await self.rows(_SNAPSHOT, ())
        return None if found is None else tuple(found[0])

    async def _open(self) -> None:
        async with self._opening:
            if self._pool is None:
                dialect: Any = PGDialect_asyncpg
                _, options = dialect().create_connect_args(self.url)
                for name in _NOT_ASYNCPGS:
                    options.pop(name, None)
                self._pool = await asyncpg.create_pool(
                    min_size=0, max_size=MOST_CONNECTIONS, reset=_as_it_is, **options
                )

    async def close(self) -> None:
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close()


async def _as_it_is(_: Any) -> None:
    """Spare the round trip that clears a connection's state: a read sets none."""
