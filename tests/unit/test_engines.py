"""The engines that the other tests stand on."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from tests.engines import NOBODY, Postgres, Valkey


@pytest.mark.parametrize("turn", [1, 2])
async def test_every_test_gets_an_empty_database(postgres_url: str, turn: int) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("CREATE TABLE once (turn int)")
    await connection.execute("INSERT INTO once VALUES ($1)", turn)
    assert await connection.fetchval("SELECT count(*) FROM once") == 1
    assert await connection.fetchval("SHOW server_encoding") == "UTF8"
    await connection.close()


@pytest.mark.parametrize("turn", [1, 2])
async def test_every_test_gets_an_empty_redis(redis_url: str, turn: int) -> None:
    async with Redis.from_url(redis_url) as client:
        assert await client.dbsize() == 0
        await client.set(f"turn:{turn}", turn)


def test_the_same_test_runs_on_both_databases(
    database_url: str, request: pytest.FixtureRequest
) -> None:
    assert database_url.startswith(f"{request.node.callspec.params['database_url']}")


async def test_what_was_committed_survives_a_restart_of_postgres() -> None:
    with Postgres() as server:
        connection = await asyncpg.connect(server.url)
        await connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        await connection.close()
        server.stop()
        server.start()
        connection = await asyncpg.connect(server.url)
        assert await connection.fetchval("SELECT n FROM kept") == 7
        await connection.close()
        server.kill()
        server.start()
        connection = await asyncpg.connect(server.url)
        assert await connection.fetchval("SELECT n FROM kept") == 7
        await connection.close()
        root = server.root
    assert not root.exists()


def test_postgres_is_never_root(postgres: Postgres) -> None:
    assert postgres.process is not None
    owner = Path(f"/proc/{postgres.process.pid}").stat().st_uid
    assert owner == (os.geteuid() or NOBODY)


def test_servers_end_with_a_worker_that_is_killed() -> None:
    script = (
        "import time; from tests.engines import Valkey; server = Valkey(); server.start();"
        "print(server.process.pid, server.root, flush=True); time.sleep(60)"
    )
    worker = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    with worker.stdout as out:
        pid, _, root = out.readline().strip().partition(" ")
    assert Path(f"/proc/{pid}/exe").exists()
    worker.kill()
    worker.wait()
    give_up = time.monotonic() + 5
    while Path(f"/proc/{pid}/exe").exists() and time.monotonic() < give_up:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}/exe").exists()
    shutil.rmtree(root)


def test_a_server_that_cannot_start_says_why() -> None:
    with Valkey() as first:
        second = Valkey()
        second.port = first.port
        with pytest.raises(RuntimeError, match="Address already in use"):
            second.start()
        assert second.process is None
        shutil.rmtree(second.root)
        assert first.process is not None
        assert first.process.poll() is None
