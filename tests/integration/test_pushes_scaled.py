"""Pushes with many processes: one takes them in, others read, and one of these is killed."""

import asyncio
import base64
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.store import open_store
from hub.store.pushes import PushState
from tests.cli import Folder
from tests.engines import Valkey
from tests.running import migrated, until

pytestmark = pytest.mark.long

TOML = """
[sources.builds]
connector = "webhook"
secret = "${BUILDS_SECRET}"
signed = { by = "basic", user = "ci" }
[sources.builds.fields]
id = "$.build"
kind = "ops.alert.firing"
title = "Build {$.build} is red"
"""
SECRET = "the-secret-of-our-build-server"
MANY = 60


async def states(database: str) -> Counter[str]:
    async with open_store(database) as store, store.read() as connection:
        rows = await connection.exec_driver_sql("SELECT state FROM pushes")
        return Counter(row.state for row in rows)


async def revisions(database: str) -> int:
    async with open_store(database) as store, store.read() as connection:
        rows = await connection.exec_driver_sql(
            "SELECT count(*) FROM revisions WHERE source = 'builds'"
        )
        return int(rows.scalar_one())


async def push(client: httpx2.AsyncClient, url: str, number: int) -> None:
    pair = base64.b64encode(f"ci:{SECRET}".encode()).decode()
    answer = await client.post(
        f"{url}/push/builds", json={"build": number}, headers={"Authorization": f"Basic {pair}"}
    )
    assert answer.status_code == 200, answer.text


async def test_a_worker_that_is_killed_loses_no_push_and_reads_none_twice(
    postgres_url: str, valkey: Valkey, tmp_path: Path
) -> None:
    environment = {
        "HUB_SECRET_KEY": "k" * 40,
        "HUB_DATABASE": await migrated(postgres_url),
        "HUB_REDIS": valkey.url,
        "BUILDS_SECRET": SECRET,
    }
    folder = Folder(tmp_path, environment)
    folder.write(TOML)
    async with folder.serving(command="serve") as web, httpx2.AsyncClient() as client:
        await push(client, web.url, 0)
        await asyncio.sleep(1)
        assert await states(postgres_url) == {PushState.WAITING: 1}  # nobody is there to read it
        async with folder.serving(command="worker") as worker:
            await until(lambda: _are_read(postgres_url, 1))
            began = time.monotonic()
            await push(client, web.url, 1)
            await until(lambda: _are_read(postgres_url, 2))
            assert time.monotonic() - began < 4  # a wake-up: the sweep comes after five seconds
            sending = asyncio.gather(*(push(client, web.url, 2 + n) for n in range(MANY)))
            await until(lambda: _are_read(postgres_url, 6))
            await worker.stop(signal.SIGKILL)
            await sending
        left = (await states(postgres_url))[PushState.WAITING]
        async with folder.serving(command="worker"):
            await until(lambda: _are_read(postgres_url, MANY + 2), within=40)
        assert await revisions(postgres_url) == MANY + 2
        assert left, "the worker was killed when all was read: this shows nothing"


async def _are_read(database: str, count: int) -> Any:
    return (await states(database))[PushState.READ] >= count
