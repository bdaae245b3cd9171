"""Fresh, migrated databases on real engines, and the hub's own drivers' connections to them."""

import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from hub.store import open_store
from hub.store.engine import SQLITE_PRAGMAS
from hub.store.migrate import migrate
from tests.bench.drafts import Written
from tests.engines import Postgres

ENGINES = ("sqlite", "postgres")
BUILD = Path(__file__).parents[2] / "build"


@dataclass(slots=True)
class Filled:
    """A database that the pipeline filled, and the drafts that would come next."""

    url: str
    rest: Iterator[Written]
    signals: int = 0


@dataclass(slots=True)
class Databases:
    """Makes databases until the run ends; PostgreSQL starts when first asked for.

    `filled`: the one of each engine that the pipeline filled last, for who needs signals.
    """

    folder: Path
    stack: AsyncExitStack
    filled: dict[str, Filled] = field(default_factory=dict)
    postgres: Postgres | None = None

    async def new(self, engine: str) -> str:
        """Make a migrated database and give its URL, as HUB_DATABASE takes it."""
        name = f"bench_{uuid.uuid4().hex}"
        if engine == "sqlite":
            url = f"sqlite:///{self.folder}/{name}.db"
        else:
            if self.postgres is None:
                self.postgres = self.stack.enter_context(Postgres())
            url = self.postgres.database(name)
            connection = await asyncpg.connect(self.postgres.url)
            try:
                await connection.execute(f"CREATE DATABASE {name}")
            finally:
                await connection.close()
        async with open_store(url) as store:
            await migrate(store)
        return url

    async def copy(self, engine: str, url: str) -> str:
        """Make a database with all that another holds, which nobody uses."""
        name = f"bench_{uuid.uuid4().hex}"
        if engine == "sqlite":
            shutil.copy(url.removeprefix("sqlite:///"), self.folder / f"{name}.db")
            return f"sqlite:///{self.folder}/{name}.db"
        assert self.postgres is not None
        connection = await asyncpg.connect(self.postgres.url)
        try:
            template = url.rpartition("/")[2].partition("?")[0]
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        finally:
            await connection.close()
        return self.postgres.database(name)


@asynccontextmanager
async def databases() -> AsyncGenerator[Databases]:
    # Beside the checkout, on a real disk: /tmp may be memory, where fsync costs nothing.
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="bench-") as folder:
        async with AsyncExitStack() as stack:
            yield Databases(Path(folder), stack)


def sqlite(url: str) -> sqlite3.Connection:
    """Open SQLite as the hub does, with every pragma of production, without the hub."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for pragma in SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    return connection


_DELIVERED = (
    "UPDATE deliveries SET state = 'delivered', settled_at = created_at WHERE state = 'pending'"
)


async def rest(url: str) -> None:
    """Bring a database to the state of a quiet hour: all is delivered, the engine has tidied up."""
    if url.startswith("sqlite"):
        connection = sqlite(url)
        connection.execute(_DELIVERED)
        # No ANALYZE: a hub on SQLite never runs it, a PostgreSQL does by itself (autovacuum).
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return
    postgres = await asyncpg.connect(url)
    try:
        await postgres.execute(_DELIVERED)
        await postgres.execute("VACUUM ANALYZE")
        await postgres.execute("CHECKPOINT")
    finally:
        await postgres.close()
