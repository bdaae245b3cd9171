"""PostgreSQL goes and comes back: the doors say 503, the work waits, and goes on by itself."""

import asyncio
import json
import uuid
from collections.abc import Generator

import asyncpg
import pytest

from tests.crash.stage import stage
from tests.engines import Postgres
from tests.faults.watch import watched

pytestmark = pytest.mark.faults

AWAY = 4.0  # seconds


@pytest.fixture(scope="module")
def server() -> Generator[Postgres]:
    """Start one of our own: the tests beside us need theirs."""
    with Postgres() as server:
        yield server


async def new_database(server: Postgres) -> str:
    """Make a database that goes with its server: nobody holds a connection to drop it by."""
    name = f"test_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(server.url)
    await connection.execute(f"CREATE DATABASE {name}")
    # As in production: what was committed outlives a crash of the server.
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
    await connection.close()
    return server.database(name)


@pytest.mark.parametrize("how", ["fast", "immediate"])
async def test_postgres_is_stopped_under_load_and_started(server: Postgres, how: str) -> None:
    async with stage(await new_database(server)) as around, watched(around) as hub:
        async with around.writing():
            before = await hub.lag(within=20)
            (server.stop if how == "fast" else server.kill)()
            away = await hub.unready_within(5)
            assert away.status_code == 503
            assert "the database cannot be used" in away.json()["why"]
            assert 0 < int(away.headers["Retry-After"]) <= 10
            refused = await hub.ask("{ signals(first: 1) { edges { node { id } } } }")
            assert refused.status_code == 503
            assert 0 < int(refused.headers["Retry-After"]) <= 10
            assert (await hub.client.get("/livez")).status_code == 200, "a restart would not help"
            await asyncio.sleep(AWAY)
            assert (await hub.probe()).status_code == 503
            server.start()
            ready = await hub.ready_within(10)
            first = await hub.lag(within=10 - ready)
            after = min([await hub.lag(within=10) for _ in range(3)])
            assert after < 10 * before + 1, f"{before:.2f} s before, {first:.2f} s, {after:.2f} s"
        await hub.ends_well()
        lines = [json.loads(line) for line in around.home.log.splitlines() if line[0] == "{"]
        assert any("the database cannot be used" in line.get("error", "") for line in lines)
        assert [line for line in lines if line["level"] == "error"] == []
