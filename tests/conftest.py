"""Real engines for every test: one PostgreSQL and one Valkey per pytest worker, when asked for."""

import asyncio
import gc
import os
import uuid
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import strategies as st
from redis.asyncio import Redis
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import LRUCache

from hub import hidden
from hub.store import engine
from tests.engines import Postgres, Valkey
from tests.prepared import migrate_at, ready, write_migrated
from tests.wire import CERTIFICATES

INSTALLING = ("live", "deploy", "browser", "conformance", "processes")
MOST_COMPILED = 2_000


def pytest_collection_finish() -> None:
    """Look for garbage in what tests make, no more in all that is imported: a quarter of a test."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def table_of_unicode() -> None:
    """Have Hypothesis make it before the first example, which it would make seconds slow."""
    st.characters(categories=["Lu"]).validate()


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Generator[None]:
    """Let every store have what SQLAlchemy compiled for another on the same engine.

    A process has one store, and it compiles each statement once; here each test has one.
    """
    with pytest.MonkeyPatch.context() as patch:
        for dialect in (SQLiteDialect_aiosqlite, PGDialect_asyncpg):
            patch.setattr(dialect, "__eq__", lambda one, other: type(one) is type(other))
            patch.setattr(dialect, "__hash__", lambda one: hash(type(one)))
        options: dict[str, Any] = {"compiled_cache": LRUCache(MOST_COMPILED)}
        patch.setattr(
            engine, "create_async_engine", partial(create_async_engine, execution_options=options)
        )
        yield


@pytest.fixture(autouse=True)
def bare_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of a hub that its developer runs out of the tests, and the world's trust.

    Only what installs real systems needs the authorities that sign the servers of others.
    """
    for name in os.environ:
        if name.startswith("HUB_"):
            monkeypatch.delenv(name)
    if not any(map(request.node.get_closest_marker, INSTALLING)):
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / "nobody.pem"))


@pytest.fixture(autouse=True)
def own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test's secrets end with it: another's words would be hidden from what is said later."""
    monkeypatch.setattr(hidden, "_values", set(hidden._values))
    monkeypatch.setattr(hidden, "_known", hidden._known)


@pytest.fixture(scope="session")
def postgres() -> Generator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Generator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture
async def postgres_url(postgres: Postgres) -> AsyncGenerator[str]:
    """Make a new, empty database for one test."""
    async with new_database(postgres) as url:
        yield url


@asynccontextmanager
async def new_database(server: Postgres, template: str = "template1") -> AsyncGenerator[str]:
    name = f"test_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(server.url)
    try:
        # Quicker than by its log, since nothing is made safe against power loss here.
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        yield server.database(name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture
async def redis_url(valkey: Valkey) -> str:
    """Empty the server for one test."""
    async with Redis.from_url(valkey.url) as client:
        await client.flushall()
    return valkey.url


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Postgres) -> str:
    """Migrate one database, of which tests get copies; give its name."""
    asyncio.run(_make_template(postgres))
    return "migrated"


async def _make_template(server: Postgres) -> None:
    connection = await asyncpg.connect(server.url)
    try:
        await connection.execute("CREATE DATABASE migrated")
    finally:
        await connection.close()
    await migrate_at(server.database("migrated"))


@pytest.fixture
async def migrated_postgres_url(postgres: Postgres, migrated_postgres: str) -> AsyncGenerator[str]:
    async with new_database(postgres, migrated_postgres) as url:
        ready.add(url)
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Run the test twice, on a migrated database: the hub promises the same on both engines."""
    if request.param == "sqlite":
        write_migrated(tmp_path / "hub.db")
        return f"sqlite:///{tmp_path}/hub.db"
    url: str = request.getfixturevalue("migrated_postgres_url")
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/hub.db"
    url: str = request.getfixturevalue("postgres_url")
    return url
