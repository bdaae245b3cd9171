"""Subscriptions over WebSocket and SSE: live, resumable, role-scoped."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from hub.bus.local import LocalBus
from hub.config import read_config
from hub.connector import Draft, Page
from hub.graphql.relay import log_cursor
from hub.ingest import Plan, Reading, ingest
from hub.live import QUEUE, Tail
from hub.route import Router
from hub.signals import Classification, Status
from hub.store import Store, log, open_store
from hub.store.keys import revoke
from hub.store.log import Change
from tests.ledger import Book, ledger_config
from tests.running import Running, hear, migrated, running, say, until
from tests.servers import serve

FEED = """
subscription Feed($of: String!, $after: String, $least: Float) {
  feed(role: $of, after: $after, minScore: $least) {
    __typename
    ... on FeedCreated { cursor score reasons { name } signal { id title } }
    ... on FeedUpdated { cursor score signal { id title status body } }
    ... on FeedWithdrawn { cursor signalId }
    ... on CursorExpired { message oldest }
  }
}
"""
LIST = 'query { feed(role: "sales", first: 100) { resumeFrom edges { node { id title } } } }'


def deal(number: int, revision: int = 1, **changes: Any) -> Draft:
    at = datetime(2026, 11, 2, 9, revision % 60, tzinfo=UTC)
    given: dict[str, Any] = {
        "kind": "sales.deal.won",
        "external_id": f"deal/{number}",
        "revision": str(revision),
        "revised_at": at,
        "occurred_at": at,
        "title": f"Deal {number} v{revision}",
    }
    return Draft(**(given | changes))


async def put(hub: Running, *drafts: Draft) -> None:
    runtime = hub.app.state.runtime
    plan = runtime.snapshot.plan
    done = await ingest(runtime.store, Reading("hub"), Page(list(drafts), {}), plan)
    if done.seq is not None:
        await runtime.bus.tell()


async def follow(socket: ClientConnection, id_: str = "1", of: str = "sales", **more: Any) -> None:
    payload = {"query": FEED, "variables": {"of": of, **more}}
    await say(socket, type="subscribe", id=id_, payload=payload)
    await asyncio.sleep(0.1)


async def event(socket: ClientConnection) -> Any:
    message = await hear(socket)
    assert message["type"] == "next", message
    assert "errors" not in message["payload"], message
    return message["payload"]["data"]["feed"]


@pytest.fixture
async def hub(database_url: str) -> AsyncGenerator[Running]:
    async with running(database_url) as hub:
        yield hub


async def test_a_signal_is_created_updated_and_deleted_live(hub: Running) -> None:
    async with hub.socket() as socket:
        await follow(socket)
        await put(hub, deal(1))
        created = await event(socket)
        assert created["__typename"] == "FeedCreated"
        assert created["signal"]["title"] == "Deal 1 v1"
        assert created["reasons"]
        await put(hub, deal(1, 2))
        updated = await event(socket)
        assert (updated["__typename"], updated["signal"]["title"]) == ("FeedUpdated", "Deal 1 v2")
        assert updated["signal"]["id"] == created["signal"]["id"]
        await put(hub, deal(1, 3, status=Status.DELETED, body="secret"))
        gone = await event(socket)
        assert (gone["signal"]["status"], gone["signal"]["body"]) == ("DELETED", None)


async def test_what_becomes_invisible_or_irrelevant_is_withdrawn(hub: Running) -> None:
    async with hub.socket() as socket:
        await follow(socket)
        await put(hub, deal(1), deal(2))
        first, second = await event(socket), await event(socket)
        await put(hub, deal(1, 2, classification=Classification.RESTRICTED))
        gone = await event(socket)
        assert gone["__typename"] == "FeedWithdrawn"
        assert gone["signalId"] == first["signal"]["id"]
        await put(hub, deal(1, 3, classification=Classification.RESTRICTED))
        await put(hub, deal(2, 2, kind="chat.message"))
        gone = await event(socket)
        assert gone["signalId"] == second["signal"]["id"], "nothing is told of what is hidden"


async def test_roles_hear_only_their_own(hub: Running) -> None:
    async with hub.socket("community") as socket:
        await follow(socket, of="community", least=0.0)
        await put(hub, deal(1), deal(2, kind="brand.coverage"))
        assert (await event(socket))["signal"]["title"] == "Deal 2 v1"
        payload = {"query": FEED, "variables": {"of": "sales"}}
        await say(socket, type="subscribe", id="2", payload=payload)
        refused = await hear(socket)
        assert "Yours are: community" in json.dumps(refused)


async def test_a_snapshot_and_its_stream_join_without_gap_or_repeat(hub: Running) -> None:
    await put(hub, *(deal(number) for number in range(5)))
    listed = (await hub.ask(LIST))["feed"]
    await put(hub, *(deal(number) for number in range(5, 10)))
    async with hub.socket() as socket:
        await follow(socket, after=listed["resumeFrom"])
        await put(hub, *(deal(number) for number in range(10, 15)))
        titles = [(await event(socket))["signal"]["title"] for _ in range(10)]
    assert sorted(titles) == sorted(f"Deal {number} v1" for number in range(5, 15))


async def test_every_client_sees_every_change_once_while_it_comes_and_goes(hub: Running) -> None:
    """Three writers; a client that breaks off at random and resumes from its last cursor."""
    total, seen, cursor = 120, [], (await hub.ask(LIST))["feed"]["resumeFrom"]

    async def write(offset: int) -> None:
        for number in range(offset, total, 3):
            await put(hub, deal(number))

    async with asyncio.TaskGroup() as tasks:
        for offset in range(3):
            tasks.create_task(write(offset))
        for burst in (1, 7, 30, 2, 50, 30):
            async with hub.socket() as socket:
                await follow(socket, after=cursor)
                for _ in range(burst):
                    got = await event(socket)
                    cursor = got["cursor"]
                    seen.append(got["signal"]["title"])
    assert len(seen) == len(set(seen)) == total


async def test_a_cursor_of_a_log_that_is_gone_is_told(hub: Running) -> None:
    cursor = log_cursor(10**6)
    async with hub.socket() as socket:
        await follow(socket, after=cursor)
        expired = await event(socket)
        assert expired["__typename"] == "CursorExpired"
        assert (await hear(socket))["type"] == "complete"
        await follow(socket, "2", after=expired["oldest"])
        await put(hub, deal(1))
        assert (await event(socket))["signal"]["title"] == "Deal 1 v1"


async def test_a_revoked_key_is_told_also_where_nothing_happens_and_others_go_on(
    hub: Running,
) -> None:
    store = hub.app.state.runtime.store
    async with hub.socket() as socket, hub.socket("admin") as other:
        await follow(socket)
        await follow(other)
        async with store.write() as connection:
            await revoke(connection, hub.keys["sales"][:10], datetime.now(UTC))
        message = await hear(socket, within=8)  # five seconds, and more where others work too
        assert (message["type"], message["id"]) == ("error", "1")
        assert message["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await hear(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4403
        await put(hub, deal(1))
        assert (await event(other))["signal"]["title"] == "Deal 1 v1"


async def test_server_sent_events(hub: Running) -> None:
    head = {"authorization": f"Bearer {hub.keys['sales']}", "accept": "text/event-stream"}
    body = {"query": FEED, "variables": {"of": "sales"}}
    async with hub.client.stream("POST", "/graphql", json=body, headers=head) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        await asyncio.sleep(0.2)
        await put(hub, deal(1))
        assert await anext(lines) == ":"
        assert await anext(lines) == ""
        assert (await anext(lines)).startswith("id: ")
        assert await anext(lines) == "event: next"
        data = json.loads((await anext(lines)).removeprefix("data: "))
        assert data["data"]["feed"]["signal"]["title"] == "Deal 1 v1"
    await until(lambda: hub.app.state.tail.followers == 0)


async def test_a_browser_goes_on_by_the_id_of_the_last_event(hub: Running) -> None:
    head = {"authorization": f"Bearer {hub.keys['sales']}", "accept": "text/event-stream"}
    began = (await hub.ask(LIST))["feed"]["resumeFrom"]
    given = {"query": FEED, "variables": json.dumps({"of": "sales", "after": began})}
    await put(hub, *(deal(number) for number in range(4)))

    async def follow(count: int, **more: str) -> list[tuple[str, str]]:
        heard: list[tuple[str, str]] = []
        id_ = ""
        async with hub.client.stream("GET", "/graphql", params=given, headers=head | more) as told:
            assert told.headers["x-accel-buffering"] == "no"
            async for line in told.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    id_ = value
                elif name == "data":
                    feed = json.loads(value)["data"]["feed"]
                    assert feed["cursor"] == id_
                    heard.append((feed["signal"]["title"], id_))
                if len(heard) == count:
                    break
        return heard

    first = await follow(2)
    # What the connection says wins over what the document of old says.
    rest = await follow(2, **{"last-event-id": first[-1][1]})
    assert sorted(title for title, _ in first + rest) == [f"Deal {one} v1" for one in range(4)]


async def test_parts_of_a_multipart_answer(hub: Running) -> None:
    accept = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json"
    head = {"authorization": f"Bearer {hub.keys['sales']}", "accept": accept}
    began = (await hub.ask(LIST))["feed"]["resumeFrom"]
    body = {"query": FEED, "variables": {"of": "sales", "after": began}}
    await put(hub, deal(1))
    async with hub.client.stream("POST", "/graphql", json=body, headers=head) as answer:
        media = answer.headers["content-type"]
        assert media.startswith('multipart/mixed;boundary="graphql";subscriptionSpec="1.0"')
        parts = [json.loads(line) async for line in upto(answer.aiter_lines(), "payload")]
    assert parts[-1]["payload"]["data"]["feed"]["signal"]["title"] == "Deal 1 v1"
    body = {"query": "{ viewer { name } }"}
    told = await hub.client.post("/graphql", json=body, headers=head)
    assert told.json() == {"data": {"viewer": {"name": "sales"}}}, "one answer is no stream"


async def upto(lines: AsyncIterator[str], word: str) -> AsyncGenerator[str]:
    """Give the lines of JSON up to the one that has a word."""
    async for line in lines:
        if line.startswith("{"):
            yield line
            if word in line:
                return


async def test_queries_and_mutations_over_the_socket(hub: Running) -> None:
    async with hub.socket() as socket:
        await say(socket, type="subscribe", id="q", payload={"query": "{ viewer { name } }"})
        assert (await hear(socket))["payload"] == {"data": {"viewer": {"name": "sales"}}}
        assert await hear(socket) == {"type": "complete", "id": "q"}
        await say(socket, type="subscribe", id="q", payload={"query": "{ nonsense }"})
        wrong = await hear(socket)
        assert (wrong["type"], wrong["id"]) == ("error", "q")
        assert wrong["payload"][0]["extensions"]["code"] == "VALIDATION"
        await say(socket, type="subscribe", id="q", payload={"query": "{"})
        assert (await hear(socket))["payload"][0]["extensions"]["code"] == "SYNTAX"


async def test_a_record_at_the_source_is_on_the_screen_at_once(tmp_path: Any) -> None:
    book = Book()
    async with (
        serve(book.app) as vendor,
        running(f"sqlite:///{tmp_path}/hub.db", ledger_config(vendor)) as hub,
        hub.socket() as socket,
    ):
        await follow(socket)
        book.write("Acme buys")
        async with asyncio.timeout(10):  # 0.3 s where nothing else runs
            assert (await event(socket))["signal"]["title"] == "Acme buys"


async def test_sockets_that_vanish_leave_nothing_behind(hub: Running) -> None:
    for _ in range(20):
        async with hub.socket() as socket:
            await follow(socket)
            socket.transport.abort()
    await until(lambda: hub.app.state.tail.followers == 0)


@pytest.fixture
async def store(tmp_path: Any) -> AsyncGenerator[Store]:
    async with open_store(await migrated(f"sqlite:///{tmp_path}/hub.db")) as store:
        yield store


async def test_a_slow_follower_reads_the_log_and_misses_nothing(store: Store) -> None:
    async def read(after: int, limit: int) -> list[Change]:
        async with store.read() as connection:
            return await log.after(connection, after, limit)

    async def head() -> int:
        async with store.read() as connection:
            return await log.head(connection)

    bus = LocalBus()
    tail = Tail(read, head, bus)
    await tail.start()
    plan = Plan(Router(read_config("", {}).roles))
    total = QUEUE * 3
    async with asyncio.TaskGroup() as tasks:
        running_tail = tasks.create_task(tail.run())
        seen: list[int] = []
        async with aclosing(tail.follow()) as changes:
            first = asyncio.ensure_future(anext(changes))
            await asyncio.sleep(0)
            for start in range(0, total, 64):
                drafts = [deal(number) for number in range(start, start + 64)]
                await ingest(store, Reading("hub"), Page(drafts, {}), plan)
                await bus.tell()
            await until(lambda: tail.seq == total)
            seen.append((await first).seq)
            while len(seen) < total:
                seen.append((await anext(changes)).seq)
        assert seen == list(range(1, total + 1))
        assert tail.followers == 0
        running_tail.cancel()
