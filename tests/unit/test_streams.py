"""What is executed once for many, and what never is: planted fields that depend on who asks."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
import strawberry

from hub.bus.local import LocalBus
from hub.config import read_config
from hub.errors import Code
from hub.graphql import watch
from hub.graphql.context import Context, Info
from hub.graphql.executor import ProjectingExecutor
from hub.graphql.relay import log_cursor, read_log_cursor
from hub.graphql.schema import Schema
from hub.graphql.shelf import Shelf
from hub.graphql.streams import Streams
from hub.live import Tail
from hub.live.groups import Groups
from hub.live.told import Told
from hub.runtime import Runtime
from hub.signals import ChangeType, Facts, Scope, Viewer
from hub.store.log import Change

EXECUTED: list[int] = []


@strawberry.type
class Tick:
    cursor: str
    number: strawberry.Private[int]

    @strawberry.field
    def count(self) -> int:
        EXECUTED.append(self.number)
        return self.number

    @strawberry.field
    def roles(self, info: Info) -> list[str]:
        return sorted(info.context.viewer.roles)

    @strawberry.field
    def planted(self, info: Info) -> str:
        return info.context.viewer.name

    @strawberry.field
    def swallowed(self, info: Info) -> str | None:
        """Hide that it asked who this is: what it says is shared all the same by nobody."""
        try:
            return info.context.actor.name
        except Exception:  # noqa: BLE001
            return "somebody"

    @strawberry.field
    async def later(self, info: Info) -> str | None:
        """Ask who this is for some events, and not for the first ones."""
        await asyncio.sleep(0)
        return info.context.viewer.identity if self.number > 2 else None


@strawberry.type
class Ticking:
    @strawberry.subscription
    async def ticks(self, info: Info, after: str | None = None) -> AsyncGenerator[Tick, None]:
        del after
        resumes = info.context.resumes
        assert resumes is not None
        async with aclosing(info.context.changes(read_log_cursor(resumes))) as changes:
            async for change in changes:
                yield Tick(cursor=log_cursor(change.seq), number=change.seq)
                info.context.passed(change.seq)
        info.context.ended()


@strawberry.type
class Nothing:
    nothing: int = 0


CONFIG = read_config("", {})
FACTS = Facts("ops.incident.opened", "engineering", 0, "s", 0, "open", "2026-11-02T00:00:00Z")


class Ticker:
    """Streams over a log in memory, with the planted schema."""

    def __init__(self) -> None:
        self.log: list[Change] = []
        self.bus = LocalBus()
        self.tail = Tail(self._read, self._head, self.bus)
        schema = Schema(
            query=Nothing, subscription=Ticking, execution_context_class=ProjectingExecutor
        )
        self.streams = Streams(schema, Groups(lambda: self.tail.seq), cast("Shelf", None))
        self.schema = schema

    async def _read(self, after: int, limit: int) -> Sequence[Change]:
        return self.log[after : after + limit]

    async def _head(self) -> int:
        return len(self.log)

    async def tick(self) -> None:
        seq = len(self.log) + 1
        at = datetime(2026, 11, 2, tzinfo=UTC)
        self.log.append(Change(seq, f"s{seq}", None, ChangeType.CREATED, at, None, FACTS))
        await self.bus.tell()

    def subscriber(self, viewer: Viewer, query: str, after: str | None = None) -> "Subscriber":
        return Subscriber(self, viewer, query, after)


class Subscriber:
    def __init__(self, ticker: Ticker, viewer: Viewer, query: str, after: str | None) -> None:
        self.viewer: Viewer | None = viewer
        self.told: list[Any] = []

        self.breaks = False

        async def identify() -> Viewer | None:
            if self.breaks:
                raise ZeroDivisionError
            return self.viewer

        runtime = cast("Runtime", SimpleNamespace(config=CONFIG))
        context = Context(runtime, ticker.tail, identify, viewer)
        document = ticker.schema.documents.read(query)
        assert not document.errors, document.errors
        self.results: AsyncGenerator[Told] = ticker.streams.follow(document, context, after=after)

    async def next(self) -> Any:
        async with asyncio.timeout(5):
            told = await anext(self.results)
        return orjson.loads(told.text)

    async def ticks(self, count: int) -> list[Any]:
        return [(await self.next())["data"]["ticks"] for _ in range(count)]


@pytest.fixture
async def ticker() -> AsyncGenerator[Ticker]:
    EXECUTED.clear()
    ticker = Ticker()
    await ticker.tail.start()
    tailing = asyncio.ensure_future(ticker.tail.run())
    yield ticker
    tailing.cancel()


def viewers(*names: str, role: str = "sales") -> list[Viewer]:
    scopes = frozenset({Scope.READ})
    return [Viewer(frozenset({role}), scopes, key_id=one, name=one) for one in names]


async def begin(*subscribers: Subscriber) -> list[asyncio.Future[Any]]:
    """Let them join before anything happens: each waits for its first event."""
    first: list[asyncio.Future[Any]] = [asyncio.ensure_future(one.next()) for one in subscribers]
    for _ in range(20):
        await asyncio.sleep(0)
    return first


async def test_those_who_see_alike_share_and_two_roles_never_do(ticker: Ticker) -> None:
    query = "subscription { ticks { count roles } }"
    alike = [ticker.subscriber(one, query) for one in viewers("a", "b", "c")]
    other = ticker.subscriber(viewers("d", role="support")[0], query)
    first = await begin(*alike, other)
    assert len(ticker.streams.groups) == 2
    await ticker.tick()
    said = [(await one)["data"]["ticks"]["roles"] for one in first]
    assert said == [["sales"], ["sales"], ["sales"], ["support"]]
    assert EXECUTED == [1, 1]  # once for each group
    for one in (*alike, other):
        await one.results.aclose()
    assert len(ticker.streams.groups) == 0


@pytest.mark.parametrize(
    ("field", "says"), [("planted", "{0}"), ("swallowed", "key:{0}"), ("later", "key:{0}")]
)
async def test_what_depends_on_who_asks_is_never_shared(
    ticker: Ticker, field: str, says: str
) -> None:
    query = f"subscription {{ ticks {{ count {field} }} }}"
    alike = [ticker.subscriber(one, query) for one in viewers("a", "b")]
    first = await begin(*alike)
    for _ in range(4):
        await ticker.tick()
    for name, one, begun in zip("ab", alike, first, strict=True):
        ticks = [(await begun)["data"]["ticks"], *await one.ticks(3)]
        assert [tick["count"] for tick in ticks] == [1, 2, 3, 4]
        own = [tick[field] for tick in ticks if field != "later" or tick["count"] > 2]
        assert set(own) == {says.format(name)}
    late = ticker.subscriber(viewers("z")[0], query, after=log_cursor(0))
    assert {tick[field] for tick in (await late.ticks(4))[2:]} == {says.format("z")}
    for one in (*alike, late):
        await one.results.aclose()


async def test_the_cursor_is_each_ones_own_and_no_reason_for_a_group(ticker: Ticker) -> None:
    for _ in range(3):
        await ticker.tick()
    query = 'subscription { ticks(after: "%s") { count } }'
    alike = [
        ticker.subscriber(one, query % log_cursor(3 if one.name == "a" else 0))
        for one in viewers("a", "b")
    ]
    own = [
        ticker.subscriber(one, "subscription { ticks { count } }", after=log_cursor(place))
        for place, one in enumerate(viewers("c", "d", "e"))
    ]
    first = await begin(*alike, *own)
    await ticker.tick()
    counts = []
    for one, begun in zip((*alike, *own), first, strict=True):
        at = (await begun)["data"]["ticks"]["count"]
        counts.append([at, *[tick["count"] for tick in await one.ticks(4 - at)]])
    assert counts == [[4], [1, 2, 3, 4], [1, 2, 3, 4], [2, 3, 4], [3, 4]]
    for one in (*alike, *own):
        await one.results.aclose()


async def test_who_gets_other_roles_goes_on_with_these(
    ticker: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "EVERY", 0.05)
    query = "subscription { ticks { count roles } }"
    moved, stays, gone = (ticker.subscriber(one, query) for one in viewers("a", "b", "c"))
    first = await begin(moved, stays, gone)
    await ticker.tick()
    assert [(await one)["data"]["ticks"]["roles"] for one in first] == [["sales"]] * 3
    (moved.viewer,), gone.viewer = viewers("a", role="support"), None
    last = asyncio.ensure_future(gone.next())
    await asyncio.sleep(0.2)
    await ticker.tick()
    assert await moved.ticks(1) == [{"count": 2, "roles": ["support"]}]
    assert await stays.ticks(1) == [{"count": 2, "roles": ["sales"]}]
    refused = await last
    assert "data" not in refused
    assert refused["errors"][0]["extensions"]["code"] == Code.UNAUTHENTICATED
    for one in (moved, stays, gone):
        await one.results.aclose()


async def test_one_who_cannot_be_asked_keeps_nobody_else(
    ticker: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "EVERY", 0.05)
    query = "subscription { ticks { count } }"
    odd, gone = (ticker.subscriber(one, query) for one in viewers("a", "b"))
    odd.breaks = True
    first = await begin(odd, gone)
    await asyncio.sleep(0.2)
    gone.viewer = None
    assert (await first[1])["errors"][0]["extensions"]["code"] == Code.UNAUTHENTICATED
    await ticker.tick()
    assert (await first[0])["data"]["ticks"]["count"] == 1
    for one in (odd, gone):
        await one.results.aclose()


async def test_a_cursor_that_is_none_is_refused(ticker: Ticker) -> None:
    one = ticker.subscriber(viewers("a")[0], 'subscription { ticks(after: "x") { count } }')
    refused = await one.next()
    assert refused["errors"][0]["extensions"]["code"] == Code.BAD_CURSOR
    await one.results.aclose()
