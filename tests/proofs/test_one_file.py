"""Two processes write to one SQLite file: no update is lost, and nobody finds it locked."""

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import text

from hub.store import log, open_store
from hub.store.log import Change
from tests import ledger, secrets
from tests.bench.children import child
from tests.cli import ROOT, Folder
from tests.ledger import TOKEN, Book
from tests.running import migrated, until
from tests.servers import serve

PROCESSES = 2
TASKS = 10
ROUNDS = 15


async def count(url: str, rounds: int = ROUNDS, *, deferred: bool = False) -> tuple[int, int, int]:
    """Count in two processes; give (committed, lost, failed)."""
    order = {"url": url, "tasks": TASKS, "rounds": rounds, "deferred": deferred}
    async with open_store(await migrated(url)) as store, AsyncExitStack() as stack:
        async with store.write() as connection:
            await connection.execute(text("CREATE TABLE counter (n INTEGER)"))
            await connection.execute(text("INSERT INTO counter VALUES (0)"))
        children = [
            await stack.enter_async_context(child("tests.proofs.counter")) for _ in range(PROCESSES)
        ]
        told = await asyncio.gather(*(one.ask(order) for one in children))
        async with store.read() as connection:
            counted = (await connection.execute(text("SELECT n FROM counter"))).scalar_one()
    committed = sum(one["committed"] for one in told)
    return committed, committed - counted, sum(one["failed"] for one in told)


@pytest.mark.processes
async def test_no_update_is_lost(tmp_path: Path) -> None:
    counted = await count(f"sqlite:///{tmp_path}/hub.db")
    assert counted == (PROCESSES * TASKS * ROUNDS, 0, 0)


@pytest.mark.processes
async def test_transactions_as_sqlalchemy_begins_them_would_lose_some(tmp_path: Path) -> None:
    _, lost, failed = await count(f"sqlite:///{tmp_path}/hub.db", deferred=True)
    assert lost + failed > PROCESSES * TASKS
    assert lost > 0


@pytest.mark.long
@pytest.mark.parametrize("rounds", [3])
async def test_commands_beside_a_hub_that_polls(tmp_path: Path, rounds: int) -> None:
    """People run commands while `hub serve` writes what it polls: nothing is lost or refused."""
    book = Book()
    folder = Folder(
        tmp_path,
        {
            "HUB_SECRET_KEY": "k" * 40,
            "HUB_LOG_LEVEL": "WARNING",
            "PYTHONPATH": f"{ledger.install(tmp_path / 'packages')}:{ROOT}",
        },
    )
    commands = ("sync ledger", "keys create --name k --role sales", "sources")

    async def run(command: str) -> None:
        for _ in range(rounds):
            done = await folder.hub(*command.split())
            assert done.code == 0, done
            assert "error" not in done.err, done

    async def write() -> None:
        while True:
            book.write(f"Deal {len(book.records)}")
            await asyncio.sleep(0.01)

    async with serve(book.app) as vendor:
        table = f'[sources.ledger]\nconnector = "ledger"\nurl = "{vendor}"\ntoken = "{TOKEN}"\n'
        secrets.write(tmp_path, table)
        await folder.hub("migrate")
        async with folder.serving() as hub, asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(write())
            async with asyncio.TaskGroup() as beside:
                for command in commands:
                    beside.create_task(run(command))
            writing.cancel()
            async with open_store(f"sqlite:///{tmp_path}/hub.db") as store:

                async def lines() -> list[Change]:
                    async with store.read() as connection:
                        all_ = await log.after(connection, 0, 2 * len(book.records))
                    return [line for line in all_ if line.now.source == "ledger"]

                async def all_polled() -> bool:
                    return len(await lines()) >= len(book.records)

                await until(all_polled, within=30)
                signals = [line.signal_id for line in await lines()]
            done = await hub.stop(signal.SIGTERM)
        keys = (await folder.hub("keys", "list", "--json")).json
    assert (done.code, done.err) == (0, ""), "no word of a locked database"
    assert len(set(signals)) == len(signals) == len(book.records)
    assert len(keys) == rounds


@pytest.mark.long
async def test_no_update_is_lost_in_thousands(tmp_path: Path) -> None:
    counted = await count(f"sqlite:///{tmp_path}/hub.db", 200)
    assert counted == (PROCESSES * TASKS * 200, 0, 0)
