"""What one key may ask at once, in a minute and for how long, met over real connections."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed

from hub.graphql import nodes
from tests.running import Running, hear, running, say, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUERY = {"query": "{ viewer { name } }"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    file = tmp_path_factory.mktemp("admission") / "hub.db"
    limits: dict[str, Any] = {"max_requests": 30, "max_concurrent": 2, "max_streams": 2}
    limits |= {"max_sockets": 6}
    limits |= {"max_seconds": 0.3, "max_body": 4, "max_body_seconds": 0.3, "max_page": 30}
    async with running(f"sqlite:///{file}", max_subscriptions=2, max_nesting=5, **limits) as hub:
        yield hub


def head(hub: Running, role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {hub.keys[role]}"}


async def post(hub: Running, role: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    """POST, and give the status with the extensions of the first error."""
    given = {**head(hub, role), **headers}
    answer = await hub.client.post("/graphql", json=body, headers=given)
    told = answer.json().get("errors", [{"extensions": {}}])[0]["extensions"]
    if answer.status_code == 429:
        assert answer.headers["retry-after"] == str(told["retryAfter"])
    return answer.status_code, told


async def test_a_key_asks_so_often_in_a_minute_over_whatever_it_asks(hub: Running) -> None:
    async with hub.socket("everyone") as socket:
        for one in range(10):
            await say(socket, type="subscribe", id=str(one), payload=QUERY)
            assert (await hear(socket))["type"] == "next"
            assert (await hear(socket))["type"] == "complete"
        for _ in range(20):
            assert (await post(hub, "everyone", QUERY))[0] == 200
        status, told = await post(hub, "everyone", QUERY)
        assert status == 429
        assert (told["code"], told["of"], told["limit"]) == ("LIMIT_EXCEEDED", "requests", 30)
        assert 0 < told["retryAfter"] <= 2
        await say(socket, type="subscribe", id="x", payload=QUERY)
        assert (await hear(socket))["payload"][0]["extensions"]["of"] == "requests"
    # Before anything of the body was read: even what is none is not looked at.
    given = {**head(hub, "everyone"), "Content-Type": "application/json"}
    answer = await hub.client.post("/graphql", content=b"{", headers=given)
    assert answer.status_code == 429
    assert (await post(hub, "sales", QUERY))[0] == 200


async def test_who_is_nobody_is_told_so_before_anything_is_read(hub: Running) -> None:
    answer = await hub.client.post(
        "/graphql", content=b"{", headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 401


class Slow:
    """Keeps whoever looks for something waiting, until the test says or nobody waits any more."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.waiting = 0
        self.cancelled = 0
        self.go = asyncio.Event()
        patch.setattr(nodes, "find_named", self)

    async def __call__(self, *_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        self.waiting += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.waiting -= 1
        return {}, {}


NODE = {"query": '{ node(id: "x") { id } }'}


async def test_what_takes_too_long_is_cancelled(
    hub: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(monkeypatch)
    status, told = await post(hub, "support", NODE)
    assert (status, told["code"], told["of"], told["limit"]) == (
        504,
        "LIMIT_EXCEEDED",
        "seconds",
        0.3,
    )
    assert (slow.waiting, slow.cancelled) == (0, 1)
    async with hub.socket("support") as socket:
        await say(socket, type="subscribe", id="1", payload=NODE)
        assert (await hear(socket))["payload"][0]["extensions"]["of"] == "seconds"
    assert (slow.waiting, slow.cancelled) == (0, 2)


async def test_a_key_has_so_many_operations_under_way(
    hub: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(monkeypatch)
    async with asyncio.TaskGroup() as tasks:
        both = [tasks.create_task(post(hub, "product", NODE)) for _ in range(2)]
        await until(lambda: slow.waiting == 2)
        status, told = await post(hub, "product", QUERY)
        assert (status, told["of"], told["limit"]) == (429, "concurrent", 2)
        assert (await post(hub, "community", QUERY))[0] == 200
        slow.go.set()
    assert [task.result()[0] for task in both] == [200, 200]
    assert (await post(hub, "product", QUERY))[0] == 200


async def test_a_key_has_so_many_sockets_and_streams_open(hub: Running) -> None:
    follow = {"query": "subscription { signals { __typename } }"}
    stream = {**head(hub, "executive"), "Accept": "text/event-stream"}
    async with AsyncExitStack() as open_:
        await open_.enter_async_context(hub.socket("executive"))
        await open_.enter_async_context(
            hub.client.stream("POST", "/graphql", json=follow, headers=stream)
        )
        status, told = await post(hub, "executive", follow, Accept="text/event-stream")
        assert (status, told["of"], told["limit"]) == (429, "streams", 2)
        async with hub.socket(None) as third:
            key = {"authorization": f"Bearer {hub.keys['executive']}"}
            await say(third, type="connection_init", payload=key)
            with pytest.raises(ConnectionClosed) as closed:
                await hear(third)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
        assert (await post(hub, "executive", QUERY))[0] == 200  # other than what is answered once

    async def is_free() -> bool:
        async with hub.client.stream("POST", "/graphql", json=follow, headers=stream) as answer:
            return answer.status_code == 200

    await until(is_free)


async def test_a_process_has_so_many_sockets_and_streams_open(hub: Running) -> None:
    follow = {"query": "subscription { signals { __typename } }"}

    admission = hub.app.state.graphql.served.admission
    await until(lambda: admission.connections == 0)
    async with AsyncExitStack() as open_:
        for role in ("support", "product", "community") * 2:
            await open_.enter_async_context(hub.socket(role))
        async with hub.socket(None) as seventh:
            with pytest.raises(ConnectionClosed) as closed:
                await hear(seventh)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
            assert closed.value.rcvd.reason.startswith("This process has 6 sockets")
        given = {**head(hub, "sales"), "Accept": "text/event-stream"}
        answer = await hub.client.post("/graphql", json=follow, headers=given)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["errors"][0]["extensions"]["of"] == "sockets"
        assert (await post(hub, "sales", QUERY))[0] == 200  # other than what is answered once
    await until(lambda: admission.connections == 0)


async def test_a_socket_carries_so_many_operations(hub: Running) -> None:
    async with hub.socket("community") as socket:
        for one in range(3):
            follow = {"query": "subscription { signals { __typename } }"}
            await say(socket, type="subscribe", id=str(one), payload=follow)
        told = await hear(socket)
        assert (told["id"], told["payload"][0]["extensions"]["of"]) == ("2", "subscriptions")
        assert told["payload"][0]["extensions"]["limit"] == 2


async def test_a_body_has_its_size_and_its_time(hub: Running) -> None:
    large = {"query": "{ __typename }" + " " * 4096}
    status, told = await post(hub, "admin", large)
    assert (status, told["code"], told["of"], told["limit"]) == (413, "LIMIT_EXCEEDED", "body", 4)

    async def chunks() -> AsyncGenerator[bytes]:
        yield b'{"query": "{ __typename }'
        yield b" " * 4096

    given = {**head(hub, "admin"), "Content-Type": "application/json"}
    answer = await hub.client.post("/graphql", content=chunks(), headers=given)
    assert answer.status_code == 413
    assert answer.json()["errors"][0]["extensions"]["of"] == "body"

    where = urlsplit(hub.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    lines = ["POST /graphql HTTP/1.1", "Host: hub", "Content-Length: 100"]
    lines += [f"{name}: {value}" for name, value in given.items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n{").encode())
    async with asyncio.timeout(5):
        said = (await reader.read()).decode()  # to the end: the connection is closed
    writer.close()
    assert said.startswith("HTTP/1.1 408 ")
    assert '"of":"body_seconds"' in said


@pytest.mark.parametrize("query", [
    "{ signals(first: 31) { pageInfo { endCursor } } }",
    "{ signals(last: 31) { pageInfo { endCursor } } }",
    "query ($n: Int = 31) { signals(first: $n) { pageInfo { endCursor } } }",
    "{ ...F } fragment F on Query { accounts(first: 31) { pageInfo { endCursor } } }",
    f"{{ nodes(ids: {['x'] * 31}) {{ id }} }}".replace("'", '"'),
])  # fmt: skip
async def test_a_page_holds_so_many(hub: Running, query: str) -> None:
    status, told = await post(hub, "admin", {"query": query})
    assert told == {"code": "PAGE_TOO_LARGE", "of": "page", "limit": 30, "found": 31}
    assert status == 200
    newer = "application/graphql-response+json"
    assert (await post(hub, "admin", {"query": query}, Accept=newer))[0] == 400


async def test_what_its_arguments_refuse_was_not_executed(hub: Running) -> None:
    query = {"query": '{ signals(after: "x") { pageInfo { endCursor } } viewer { name } }'}
    newer = {**head(hub, "admin"), "Accept": "application/graphql-response+json"}
    answer = await hub.client.post("/graphql", json=query, headers=newer)
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["extensions"] == {"code": "BAD_CURSOR"}
    assert error["locations"]
    assert "path" not in error
    assert "data" not in answer.json()
