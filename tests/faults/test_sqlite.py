"""A SQLite file that cannot be written for a while: the hub says so, reads on, and goes on."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.stage import stage
from tests.faults.watch import watched
from tests.running import until

pytestmark = pytest.mark.faults

LOCKED = 10.0  # seconds


async def test_another_process_holds_the_write_lock() -> None:
    async with stage() as around, watched(around) as hub:
        async with around.writing():
            await hub.lag(within=20)
            with closing(sqlite3.connect(around.home.path / "hub.db")) as other:
                other.execute("BEGIN IMMEDIATE")
                first = len(around.sources.ledger.book.records)
                began = time.monotonic()
                told = await hub.unready_within(LOCKED)
                assert "database is locked" in told.json()["why"]
                assert len(await hub.sources()) == 3, "reads wait for nobody"
                await asyncio.sleep(LOCKED + began - time.monotonic())
                other.rollback()
            await hub.lag(within=10)
            assert len(around.sources.ledger.book.records) > first
            assert (await hub.probe()).status_code == 200
        await hub.ends_well()
        assert "database is locked" in around.home.log


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Path]:
    """Mount a disk of eight megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
async def test_the_disk_is_full(disk: Path) -> None:
    async with stage(f"sqlite:///{disk}/hub.db") as around, watched(around) as hub:
        async with around.writing():
            await hub.lag(within=20)
            ballast = disk / "ballast"
            fill(ballast)
            await until(lambda: "disk is full" in around.home.log, within=30)
            told = await hub.unready_within(5)
            assert told.status_code == 503
            assert "disk is full" in told.json()["why"]
            answer = await hub.ask("{ signals(first: 1) { edges { node { title } } } }")
            assert answer.json()["data"]["signals"]["edges"], "what is there can be read"
            for _ in range(5):
                fill(ballast)  # again: a checkpoint of the hub's may have freed a page
                await asyncio.sleep(1)
            assert (await hub.unready_within(5)).status_code == 503
            ballast.unlink()
            await hub.ready_within(10)
            await hub.lag(within=10)
        await hub.ends_well()


def fill(ballast: Path) -> None:
    """Leave not a page, not even when the hub frees one."""
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
