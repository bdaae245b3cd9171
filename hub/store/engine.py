"""Opens the database: one engine for writing, one for reading, on SQLite or PostgreSQL."""

import os
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import orjson
from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from hub import metrics
from hub.errors import ConfigError, StoreUnavailable
from hub.store import search
from hub.store.prepared import statements
from hub.store.reads import reads
from hub.store.whole import cancelling, connect

SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # NORMAL may lose the last commits when the power goes
    "busy_timeout=5000",
    "foreign_keys=ON",
    "cache_size=-32000",
    "mmap_size=268435456",
    "temp_store=MEMORY",
    "secure_delete=ON",  # what is deleted is overwritten: its words are in no free page
)
TROUBLE = 15.0  # seconds that a transaction which could not be written is news


class Store:
    """The system of record. `write()` is one transaction; `read()` sees what is committed."""

    def __init__(self, url: str) -> None:
        self.url = database_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._write = _engine(self.url, writes=True)
        self._read = _engine(self.url, writes=False)
        self.statements = statements(sqlite=self.is_sqlite)
        self._short = reads(self.url, SQLITE_PRAGMAS)
        self._trouble: tuple[str, float] | None = None

    async def rows(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        """Read the rows of a prebuilt statement, as the driver gives them: see `hub.store.reads`.

        Raises StoreUnavailable.
        """
        found = await self._short.rows(sql, values) if self._short is not None else None
        if found is not None:
            return found
        async with self.read() as connection:
            return (await connection.exec_driver_sql(sql, tuple(values))).all()

    async def version(self) -> Hashable | None:
        """Name the data as they are now; None where it cannot be said. See `hub.store.reads`."""
        return await self._short.version() if self._short is not None else None

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        """Open a transaction that commits at the end, or leaves nothing.

        SQLite begins IMMEDIATE: a writer waits its turn at the start and never finds, half-way,
        that another was faster. Raises StoreUnavailable.
        """
        async with _used(self._write.begin(), self._note) as connection:
            yield connection
        self._trouble = None

    def require_writable(self) -> None:
        """Raise StoreUnavailable when the newest transaction could not be written.

        A full disk, or a lock that somebody holds, can be read past; who only reads would not know.
        Work that is due tries again at once, so what was long ago means nothing any more.
        """
        if self._trouble is not None:
            words, at = self._trouble
            if monotonic() - at < TROUBLE:
                raise _unavailable(words)

    def _note(self, words: str) -> None:
        self._trouble = (words, monotonic())

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a connection for reading; every statement sees the newest commit.

        Raises StoreUnavailable.
        """
        return _used(self._read.connect())

    async def forget_pages(self) -> None:
        """Empty SQLite's index, and its -wal, of what is no more.

        The latter is done later where somebody reads.
        """
        if self.is_sqlite:
            more = True
            while more:
                async with self.write() as connection:
                    more = await search.merge(connection)
            async with self.read() as connection:
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    async def close(self) -> None:
        with cancelling():
            if self._short is not None:
                await self._short.close()
            await self._read.dispose()
            await self._write.dispose()


@asynccontextmanager
async def open_store(url: str) -> AsyncGenerator[Store]:
    store = Store(url)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def _used(
    opening: AbstractAsyncContextManager[AsyncConnection],
    told: Callable[[str], None] | None = None,
) -> AsyncGenerator[AsyncConnection]:
    is_open = False
    try:
        with cancelling():
            async with opening as connection:
                is_open = True
                yield connection
    except (DBAPIError, PoolTimeout, OSError) as error:
        # Before a connection is open every error is about the database: it is no SQLite file,
        # the password is wrong. Later others are about a statement, and a bug.
        if is_open and not _is_away(error):
            raise
        metrics.store_failures.inc()
        words = _words(error)
        if told is not None:
            told(words)
        raise _unavailable(words) from error


def _unavailable(words: str) -> StoreUnavailable:
    return StoreUnavailable(words, "See whether HUB_DATABASE is right and the database runs")


def _is_away(error: Exception) -> bool:
    """Tell a database that cannot work just now from a statement that is wrong."""
    if not isinstance(error, DBAPIError) or isinstance(error, (OperationalError, InterfaceError)):
        return True
    # https://www.postgresql.org/docs/current/errcodes-appendix.html: connection, resources (disk
    # full, too many connections), shut-down and cancel, and a transaction to be done again.
    classes = {"08", "40", "53", "57"}
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return error.connection_invalidated or state[:2] in classes


def database_url(url: str) -> URL:
    """Read HUB_DATABASE and name its asynchronous driver. Raises ConfigError."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    match parsed.get_backend_name() if parsed is not None else None:
        case "sqlite":
            assert parsed is not None
            if parsed.database:
                _check_file(Path(parsed.database).resolve())
            return parsed.set(drivername="sqlite+aiosqlite")
        case "postgresql" | "postgres":
            assert parsed is not None
            return parsed.set(drivername="postgresql+asyncpg")
        case _:
            raise ConfigError(
                "HUB_DATABASE names no database the hub knows",
                "Write sqlite:///hub.db or postgresql://user:password@host/name",
            )


def _check_file(file: Path) -> None:
    """Find what SQLite would only call "unable to open database file"."""
    if not file.parent.is_dir():
        raise ConfigError(f"HUB_DATABASE: there is no folder {file.parent}", "Create it")
    if file.is_dir():
        raise ConfigError(f"HUB_DATABASE: {file} is a folder", "Name a file in it: hub.db")
    if not os.access(file if file.exists() else file.parent, os.R_OK | os.W_OK):
        raise ConfigError(f"HUB_DATABASE: {file} may not be written", "Change its owner or mode")


def _engine(url: URL, *, writes: bool) -> AsyncEngine:
    options: dict[str, Any] = {
        "json_serializer": lambda value: orjson.dumps(value).decode(),
        "json_deserializer": orjson.loads,
        "hide_parameters": True,  # an error is shown and logged; what a signal says is not
    }
    if url.get_backend_name() == "sqlite":
        # One writer: a second would only wait inside SQLite, where it cannot be fair.
        options |= {"poolclass": AsyncAdaptedQueuePool, "pool_timeout": 300}
        options |= {"pool_size": 1 if writes else 4, "max_overflow": 0}
        options["async_creator"] = partial(
            connect, url.database or ":memory:", only_reads=not writes
        )
        engine = create_async_engine(url, **options)
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        if writes:
            event.listen(
                engine.sync_engine,
                "begin",
                lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"),
            )
        return engine
    options |= {"pool_size": 10, "max_overflow": 10, "pool_pre_ping": True, "pool_timeout": 30}
    if not writes:
        options["isolation_level"] = "AUTOCOMMIT"
    return create_async_engine(url, **options)


def _prepare_sqlite(connection: Any, _: object) -> None:
    # The driver must not begin transactions by itself: ours begin IMMEDIATE, reads need none.
    connection.isolation_level = None
    try:
        cursor = connection.cursor()
        for pragma in SQLITE_PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
    except BaseException:
        connection.close()  # nobody else knows of it yet, and its thread would outlive the loop
        raise


def _words(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return f"the database cannot be used: {cause}"
