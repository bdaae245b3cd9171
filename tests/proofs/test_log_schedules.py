"""Any schedule of begin, number, append, commit and rollback keeps a reader's log whole."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle, pairwise

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.kinds import Severity
from hub.signals import ChangeType, Classification, Facts, Status
from hub.store import Store, log
from tests.proofs.explored import exploring, opened
from tests.proofs.writer import LARGEST_PAGE, Take, serial

WRITERS = 4
TURN = 0.01  # seconds: who has not ended its step by then waits for another, or just goes on
AT = datetime(2026, 11, 2, tzinfo=UTC)
FACTS = Facts(
    kind="sales.deal.won",
    department="sales",
    classification=Classification.INTERNAL,
    source="s",
    severity=Severity.INFO,
    status=Status.OPEN,
    occurred_at=AT.isoformat(),
    account=None,
    author=None,
    labels=(),
    scores={},
)


@dataclass(frozen=True)
class Schedule:
    """Whose turn it is, one after the other; and the transactions of each, done in a circle."""

    turns: Sequence[tuple[str, int]]  # ("write", which writer) or ("read", at most so many)
    transactions: Sequence[Sequence[tuple[int, bool]]]  # (lines, whether it commits)


TURNS = st.one_of(
    st.tuples(st.just("write"), st.integers(0, WRITERS - 1)),
    st.tuples(st.just("read"), st.integers(1, 5)),
)
TRANSACTION = st.tuples(st.integers(1, 3), st.booleans())
SCHEDULES = st.builds(
    Schedule,
    st.lists(TURNS, min_size=12, max_size=40),
    st.lists(st.lists(TRANSACTION, min_size=1, max_size=3), min_size=WRITERS, max_size=WRITERS),
)


class Planned(Exception):
    """A transaction that was meant to be rolled back."""


@dataclass
class Writer:
    """Stands at a gate before every step of its transactions, until it is its turn."""

    store: Store
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    at_gate: asyncio.Event = field(default_factory=asyncio.Event)
    ending: bool = False
    committed: list[int] = field(default_factory=list)

    async def gate(self) -> None:
        if not self.ending:
            self.at_gate.set()
            await self.turns.acquire()
            self.at_gate.clear()

    async def turn(self) -> None:
        """Let it do one step; while it waits for another writer its turns add up."""
        self.at_gate.clear()
        self.turns.release()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.at_gate.wait(), TURN)

    async def write(self, transactions: Sequence[tuple[int, bool]]) -> None:
        for count, commits in cycle(transactions):
            await self.gate()
            if self.ending:
                return
            with contextlib.suppress(Planned):
                async with self.store.write() as connection:
                    await self.gate()
                    first = await log.take_numbers(connection, count)
                    await self.gate()
                    seqs = range(first, first + count)
                    await log.append(connection, [_line(seq) for seq in seqs])
                    await self.gate()
                    if not commits:
                        raise Planned
                self.committed += seqs


def _line(seq: int) -> log.Change:
    return log.Change(seq, "signal", None, ChangeType.CREATED, AT, None, FACTS)


async def play(stores: Sequence[Store], schedule: Schedule, *, gapless: bool) -> None:
    """Play a schedule; fail when the reader missed a line or saw one out of order."""
    writers = [Writer(store) for store in stores]
    seen: list[int] = []

    async def read(most: int) -> int:
        async with stores[0].read() as connection:
            lines = await log.after(connection, seen[-1] if seen else start, most)
        assert all(b.seq > a.seq for a, b in pairwise(lines))
        seen.extend(line.seq for line in lines)
        return len(lines)

    async with stores[0].read() as connection:
        start = await log.head(connection)
    async with asyncio.TaskGroup() as tasks:
        for writer, transactions in zip(writers, schedule.transactions, strict=True):
            tasks.create_task(writer.write(transactions))
        await asyncio.sleep(0)
        for what, which in schedule.turns:
            await (writers[which].turn() if what == "write" else read(which))
        for writer in writers:
            writer.ending = True
            writer.turns.release()
    while await read(100):
        pass
    committed = sorted(seq for writer in writers for seq in writer.committed)
    assert seen == committed, "each line once, in order, and none is missed"
    if gapless:
        assert committed == list(range(start + 1, start + 1 + len(committed)))


def explore(
    url: str, examples: int, plant: Callable[[Store], Take] | None = None, *, shrink: bool = True
) -> None:
    """Play many schedules on one database."""
    with opened(url, WRITERS) as (runner, stores), pytest.MonkeyPatch.context() as patch:
        if plant is not None:
            patch.setattr(log, "take_numbers", plant(stores[0]))

        @exploring(examples, shrink=shrink)
        @given(SCHEDULES)
        def any_schedule(schedule: Schedule) -> None:
            runner.run(play(stores, schedule, gapless=plant is None))

        any_schedule()


def test_any_schedule_on_postgres(postgres_url: str) -> None:
    explore(postgres_url, 30)


def test_any_schedule_on_sqlite(tmp_path: object) -> None:
    explore(f"sqlite:///{tmp_path}/hub.db", 8)


def test_a_schedule_finds_a_bare_serial(postgres_url: str) -> None:
    with asyncio.Runner() as runner:
        runner.run(_sequence(postgres_url))
    with pytest.raises(AssertionError, match="none is missed"):
        explore(postgres_url, 200, serial, shrink=False)


async def _sequence(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE SEQUENCE planted INCREMENT {LARGEST_PAGE} START 1")
    await connection.close()


@pytest.mark.long
def test_hundreds_of_schedules(postgres_url: str) -> None:
    explore(postgres_url, 200)
