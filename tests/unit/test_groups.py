"""Groups, lines and outlets, without a schema: who is told what, in which order, how often."""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import pytest

from hub.errors import StoreUnavailable
from hub.live import groups as module
from hub.live import outlet as outlets
from hub.live.groups import Alone, Groups, Member
from hub.live.outlet import QUEUE, Line, Outlet
from hub.live.told import Behind, Told
from tests.running import until


class Log:
    """A log of which every line is told; `runs` counts who executes it."""

    def __init__(self, head: int = 0) -> None:
        self.head = head
        self.grown = asyncio.Event()
        self.runs = 0
        self.executed = 0
        self.fails: Exception | None = None
        self.trimmed = 0  # cursors before this are expired

    def grow(self, count: int = 1) -> None:
        self.head += count
        self.grown.set()
        self.grown = asyncio.Event()

    def start(self, begins: int | None, until: int | None, cursor: str | None = None) -> "Reading":
        self.runs += 1
        assert cursor in {None, f"c{begins}"}
        return Reading(self, begins, until)


class Reading:
    def __init__(self, log: Log, begins: int | None, until: int | None) -> None:
        self.log, self.place, self.until = log, begins, until
        self.is_through = False

    async def told(self) -> AsyncGenerator[Told]:
        assert self.place is not None
        if self.place < self.log.trimmed:
            yield Told("expired")
            return
        while self.until is None or self.place < self.until:
            if self.log.fails is not None:
                failure, self.log.fails = self.log.fails, None
                raise failure
            if self.place >= self.log.head:
                await self.log.grown.wait()
                continue
            seq = self.place + 1
            self.log.executed += 1
            yield Told(str(seq), cursor=f"c{seq}", seq=seq)
            self.place = seq
        self.is_through = True


class Connection:
    """A connection as ASGI's `send` shows it: `stop` it, and it takes no more."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.may = asyncio.Event()
        self.may.set()
        self.is_gone = False
        self.outlet = Outlet(self.send)

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await self.may.wait()
        if self.is_gone:
            raise OSError
        self.got.append(message["text"])

    def line(self) -> Line:
        return Line(self.outlet, lambda told: {"text": told.text})


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def texts(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


async def test_many_are_told_by_one_execution() -> None:
    log, clients = Log(), [Connection() for _ in range(50)]
    groups = Groups(lambda: log.head)
    async with asyncio.TaskGroup() as tasks:
        serving = [
            tasks.create_task(groups.serve("k", log.start, Member(one.line(), 0)))
            for one in clients
        ]
        await settle()
        log.grow(3)
        await until(lambda: all(len(one.got) == 3 for one in clients))
        assert (log.runs, log.executed, len(groups)) == (1, 3, 1)
        assert {tuple(one.got) for one in clients} == {("1", "2", "3")}
        for one in serving:
            one.cancel()
    assert len(groups) == 0


async def test_who_comes_from_anywhere_is_told_all_of_it_once() -> None:
    log = Log(1000)
    groups = Groups(lambda: log.head)
    async with asyncio.TaskGroup() as tasks:
        serving, clients = [], []
        # Long before, a little before, now, twice the same, ahead of what this process has read.
        for place in (0, 400, 990, 990, 1000, 1003):
            connection = Connection()
            member = Member(connection.line(), place, f"c{place}")
            serving.append(tasks.create_task(groups.serve("k", log.start, member)))
            clients.append((place, connection))
            await asyncio.sleep(0)
            log.grow()
        log.grow(20)
        await until(lambda: all(one.got[-1:] == [str(log.head)] for _, one in clients))
        for place, one in clients:
            assert one.got == texts(place + 1, log.head), place
        for task in serving:
            task.cancel()


async def test_a_cursor_that_expired_ends_it_and_only_it() -> None:
    log = Log(500)
    log.trimmed = 100
    groups, late, early = Groups(lambda: log.head), Connection(), Connection()
    async with asyncio.TaskGroup() as tasks:
        member = Member(early.line(), 450, "c450")
        other = tasks.create_task(groups.serve("k", log.start, member))
        await until(lambda: early.got == texts(451, 500))
        await groups.serve("k", log.start, Member(late.line(), 20, "c20"))
        assert late.got == ["expired"]
        log.grow()
        await until(lambda: early.got == texts(451, 501))
        other.cancel()


async def test_a_slow_one_disturbs_nobody_and_reads_on_where_it_stopped() -> None:
    log, slow, quick = Log(), Connection(), Connection()
    groups = Groups(lambda: log.head)
    async with asyncio.TaskGroup() as tasks:
        serving = [
            tasks.create_task(groups.serve("k", log.start, Member(one.line(), 0)))
            for one in (slow, quick)
        ]
        await settle()
        slow.may.clear()
        total = QUEUE * 4
        log.grow(total)
        await until(lambda: len(quick.got) == total)
        assert slow.got == []
        assert len(slow.outlet) <= QUEUE
        slow.may.set()
        await until(lambda: len(slow.got) >= total)
        assert slow.got == quick.got == texts(1, total)
        log.grow()
        await until(lambda: slow.got[-1] == str(total + 1))  # and it is one of the group again
        assert slow.got == quick.got
        for one in serving:
            one.cancel()


async def test_who_takes_nothing_is_told_where_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlets, "PATIENCE", 0.05)
    log, stuck = Log(), Connection()
    groups = Groups(lambda: log.head)
    member = Member(stuck.line(), 0)
    serving = asyncio.ensure_future(groups.serve("k", log.start, member))
    await settle()
    log.grow(2)
    await until(lambda: stuck.got == ["1", "2"])
    stuck.may.clear()
    log.grow(QUEUE * 2)
    with pytest.raises(Behind) as told:
        await serving
    stuck.may.set()
    await stuck.outlet.drained()
    # What it says it has is what it gets: all that comes after it may be asked for.
    assert told.value.cursor == f"c{stuck.got[-1]}"
    assert stuck.got == texts(1, len(stuck.got))
    assert len(groups) == 0


async def test_a_database_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STORE_AWAY", 0.01)
    log, client = Log(), Connection()
    groups = Groups(lambda: log.head)
    async with asyncio.TaskGroup() as tasks:
        member = Member(client.line(), 0)
        serving = tasks.create_task(groups.serve("k", log.start, member))
        log.grow(2)
        await until(lambda: client.got == ["1", "2"])
        log.fails = StoreUnavailable("away")
        log.grow(2)
        await until(lambda: client.got == texts(1, 4))
        serving.cancel()


async def test_a_group_that_cannot_be_says_so_to_each_where_it_stands() -> None:
    log, clients = Log(), [Connection(), Connection()]
    groups = Groups(lambda: log.head)
    members = [Member(one.line(), 0) for one in clients]
    serving = asyncio.gather(
        *(groups.serve("k", log.start, one) for one in members), return_exceptions=True
    )
    await settle()
    log.grow(2)
    await until(lambda: all(one.got == ["1", "2"] for one in clients))
    log.fails = Alone("it depends")
    log.grow()
    assert [type(one) for one in await serving] == [Alone, Alone]
    assert [one.place for one in members] == [2, 2]
    assert [one.got for one in clients] == [["1", "2"]] * 2


async def test_what_is_sent_over_one_connection_keeps_its_order() -> None:
    client = Connection()
    one, other = client.line(), client.line()
    client.may.clear()
    one.put(Told("a"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(client.outlet.send({"text": "pong"}))
        await settle()
        other.put(Told("b"))
        one.put(Told("c"))
        client.outlet.forget(one)
        client.may.set()
    assert client.got == ["a", "pong", "b"]


async def test_a_client_that_left_is_written_to_no_more() -> None:
    client = Connection()
    client.is_gone = True
    assert client.line().put(Told("a"))
    client.is_gone = False
    assert client.line().put(Told("b"))
    assert client.got == []
