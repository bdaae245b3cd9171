"""Whoever follows the log misses no line and sees none out of order, whatever writers suffer."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

import asyncpg
import pytest

from hub.graphql.relay import log_cursor, read_log_cursor
from hub.store import Store, log
from tests.bench.children import child
from tests.proofs.writer import LARGEST_PAGE
from tests.running import Running, hear, running, say, until

PROCESSES = 2
WRITERS = 4  # in each process
PAGES = 9  # of each writer
SEED = 20261124  # of what is drawn; what is timed differs from run to run
CHANGES = """
query Changes($after: String, $first: Int!) {
  changes(after: $after, first: $first) {
    edges { node { seq } }
    pageInfo { endCursor hasNextPage }
  }
}
"""
SIGNALS = """
subscription Signals($after: String) {
  signals(after: $after) {
    ... on SignalCreated { cursor }
    ... on SignalUpdated { cursor }
  }
}
"""
KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND state = 'idle in transaction'
ORDER BY random() LIMIT 1
"""


@dataclass
class Course:
    """A hub whose log is followed in four ways while others write to it."""

    hub: Running
    chance: Random
    seen: dict[str, list[int]] = field(default_factory=dict)
    breaks: int = 0
    kills: int = 0

    @property
    def store(self) -> Store:
        store: Store = self.hub.app.state.runtime.store
        return store

    async def pause(self) -> None:
        await asyncio.sleep(self.chance.uniform(0, 0.05))

    async def committed(self) -> list[int]:
        async with self.store.read() as connection:
            return [line.seq for line in await log.after(connection, 0, 10**6)]

    async def all_have_seen(self, seq: int) -> bool:
        return len(self.seen) == 4 and all(seen[-1:] >= [seq] for seen in self.seen.values())

    async def ask(self) -> None:
        """Page through `changes(after:)` over HTTP."""
        seen, after = self.seen.setdefault("changes", []), None
        while True:
            first = self.chance.randint(1, 100)
            answer = await self.hub.ask(CHANGES, "admin", after=after, first=first)
            page = answer["changes"]
            seen += [int(edge["node"]["seq"]) for edge in page["edges"]]
            after = page["pageInfo"]["endCursor"]
            await self.pause()

    async def read(self) -> None:
        """Read the store's log."""
        seen = self.seen.setdefault("log.after", [])
        while True:
            async with self.store.read() as connection:
                after, most = (seen[-1] if seen else 0), self.chance.randint(1, 60)
                seen += [line.seq for line in await log.after(connection, after, most)]
            await self.pause()

    async def tail(self) -> None:
        """Follow as a subscription does, from the first line on."""
        seen = self.seen.setdefault("Tail.follow", [])
        async with aclosing(self.hub.app.state.tail.follow(0)) as changes:
            async for change in changes:
                seen.append(change.seq)

    async def subscribe(self) -> None:
        """Follow over WebSocket, break off at random, go on after the last event."""
        seen = self.seen.setdefault("subscription", [])
        after = log_cursor(0)
        while True:
            async with self.hub.socket("admin") as socket:
                given = {"query": SIGNALS, "variables": {"after": after}}
                await say(socket, type="subscribe", id="1", payload=given)
                for _ in range(self.chance.randint(1, 200)):
                    message = await hear(socket, within=60)
                    after = message["payload"]["data"]["signals"]["cursor"]
                    seen.append(read_log_cursor(after))
                socket.transport.abort()
            self.breaks += 1

    async def hint(self) -> None:
        """Say at random that the log has grown, as the bus of many processes does."""
        while True:
            await self.pause()
            await self.hub.app.state.runtime.bus.tell()

    async def kill(self, url: str) -> None:
        """Break the connection of a transaction that is under way, again and again."""
        connection = await asyncpg.connect(url)
        try:
            while True:
                await asyncio.sleep(0.1)
                self.kills += len(await connection.fetch(KILL))
        finally:
            await connection.close()


async def run(
    url: str, *, pages: int, serial: bool = False, kill: bool = False
) -> tuple[Course, list[int], dict[str, int]]:
    """Write in two processes while four readers follow; give what was seen, and what is true."""
    order = {"url": url, "pages": pages, "writers": WRITERS, "bare": serial}
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(running(url))
        course = Course(hub, Random(SEED))
        writers = [
            await stack.enter_async_context(child("tests.proofs.writer")) for _ in range(PROCESSES)
        ]
        async with asyncio.TaskGroup() as tasks:
            beside = [course.ask(), course.read(), course.tail(), course.subscribe()]
            beside += [course.hint(), *([course.kill(url)] if kill else [])]
            followed = [tasks.create_task(one) for one in beside]
            told = await asyncio.gather(
                *(
                    writer.ask({**order, "name": f"writer{number}", "seed": SEED + number})
                    for number, writer in enumerate(writers)
                )
            )
            lines = await course.committed()
            await until(lambda: course.all_have_seen(lines[-1]), within=60 + len(lines) / 20)
            for task in followed:
                task.cancel()
    return course, lines, {name: sum(one[name] for one in told) for name in told[0]}


def faults(seen: list[int], lines: list[int]) -> tuple[int, int]:
    """Count (lines that a reader missed, lines that it saw twice or out of order)."""
    return len(set(lines) - set(seen)), sum(b <= a for a, b in pairwise(seen))


@pytest.mark.processes
@pytest.mark.parametrize("pages", [PAGES, pytest.param(60, marks=pytest.mark.long)])
async def test_eight_writers_on_postgres(postgres_url: str, pages: int) -> None:
    course, lines, told = await run(postgres_url, pages=pages, kill=True)
    assert course.kills > 1
    assert course.breaks > 1
    assert told["failed"] > PROCESSES * WRITERS * pages / 20, "many transactions were rolled back"
    assert lines == list(range(1, told["drafts"] + 1)), "without a gap, and each draft once"
    for name, seen in course.seen.items():
        assert faults(seen, lines) == (0, 0), name


@pytest.mark.processes
@pytest.mark.parametrize("pages", [PAGES // 3, pytest.param(30, marks=pytest.mark.long)])
async def test_two_processes_on_sqlite(tmp_path: Path, pages: int) -> None:
    course, lines, told = await run(f"sqlite:///{tmp_path}/hub.db", pages=pages)
    assert lines == list(range(1, told["drafts"] + 1))
    for name, seen in course.seen.items():
        assert faults(seen, lines) == (0, 0), name


@pytest.mark.processes
async def test_a_bare_serial_would_be_noticed(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same course with numbers from a sequence: planted in the writers, nowhere in the hub."""

    async def reaches(*_: object) -> bool:
        return True  # a sequence leaves gaps, which the hub takes for lines that were deleted

    monkeypatch.setattr(log, "reaches", reaches)
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f"CREATE SEQUENCE planted INCREMENT {LARGEST_PAGE} START 1")
    await connection.close()
    course, lines, told = await run(postgres_url, pages=PAGES // 2, serial=True)
    assert len(lines) == told["drafts"]
    missed = {name: faults(seen, lines)[0] for name, seen in course.seen.items()}
    assert any(missed.values()), missed
