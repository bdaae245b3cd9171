"""graphql-transport-ws, sentence by sentence of its PROTOCOL.md, as any client may speak it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import pytest_asyncio
import websockets
from websockets.asyncio.client import ClientConnection

from tests.running import Running, hear, running, say

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUERY = {"query": "{ viewer { name } }"}
FOLLOW = {"query": "subscription { signals { __typename } }"}
PUBLISH = """mutation ($input: PublishSignalInput!) {
  publishSignal(input: $input) { __typename }
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    file = tmp_path_factory.mktemp("protocol") / "hub.db"
    async with running(f"sqlite:///{file}", max_streams=100) as hub:
        yield hub


def signed(hub: Running) -> dict[str, Any]:
    return {"authorization": f"Bearer {hub.keys['sales']}"}


async def publish(hub: Running, title: str) -> None:
    await hub.ask(PUBLISH, input={"kind": "team.idea", "title": title})


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """Read on until the hub closes; give its code and reason."""
    frame = None
    try:
        while True:
            await hear(socket)
    except websockets.ConnectionClosed as error:
        frame = error.rcvd
    assert frame is not None, "no close frame"
    return frame.code, frame.reason


async def ponged(socket: ClientConnection) -> list[Any]:
    """Ping, and give what came before the pong: the socket is open and has nothing else to say."""
    await say(socket, type="ping", payload={"a": 1})
    before = []
    while (message := await hear(socket))["type"] != "pong":
        before.append(message)
    return before


def plain(
    hub: Running, *protocols: str, **options: Any
) -> AbstractAsyncContextManager[ClientConnection]:
    return websockets.connect(
        hub.url.replace("http", "ws", 1) + "/graphql",
        subprotocols=[websockets.Subprotocol(one) for one in protocols] or None,
        **options,
    )


async def test_the_subprotocol_is_named_or_there_is_no_conversation(hub: Running) -> None:
    async with plain(hub, "graphql-ws", "graphql-transport-ws") as socket:
        assert socket.subprotocol == "graphql-transport-ws"
    for protocols in ((), ("graphql-ws",)):
        async with plain(hub, *protocols) as socket:
            assert (await closed(socket))[0] == 4406


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null"])
async def test_a_page_of_another_origin_opens_no_socket(hub: Running, origin: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with plain(hub, "graphql-transport-ws", origin=websockets.Origin(origin)):
            pass
    assert refused.value.response.status_code == 403
    async with plain(hub, "graphql-transport-ws", origin=websockets.Origin(hub.url)) as socket:
        assert await ponged(socket) == []


async def test_whoever_says_who_it_is_is_acknowledged_once(hub: Running) -> None:
    async with hub.socket(None) as socket:
        assert await ponged(socket) == [], "a ping is answered before anything else"
        await say(socket, type="connection_init", payload=signed(hub))
        assert await hear(socket) == {"type": "connection_ack"}
        await say(socket, type="pong")
        assert await ponged(socket) == [], "a pong that nobody asked for is nothing"
        await say(socket, type="connection_init", payload=signed(hub))
        assert (await closed(socket))[0] == 4429
    async with hub.socket(None) as socket:
        for _ in range(2):
            await say(socket, type="connection_init", payload=signed(hub))
        assert (await closed(socket))[0] == 4429


@pytest.mark.parametrize("given", [{}, {"payload": None}, {"payload": {}}])
async def test_a_key_may_come_by_header_and_nobody_comes_without(
    hub: Running, given: dict[str, Any]
) -> None:
    head = {"Authorization": f"Bearer {hub.keys['sales']}"}
    async with plain(hub, "graphql-transport-ws", additional_headers=head) as socket:
        await say(socket, type="connection_init", **given)
        assert await hear(socket) == {"type": "connection_ack"}
    async with hub.socket(None) as socket:
        await say(socket, type="connection_init", **given)
        assert (await closed(socket))[0] == 4403


async def test_a_key_that_is_none_is_forbidden(hub: Running) -> None:
    async with hub.socket(None) as socket:
        await say(socket, type="connection_init", payload={"authorization": "Bearer hub_x"})
        assert (await closed(socket))[0] == 4403


async def test_nothing_is_executed_before_and_silence_ends_it(hub: Running) -> None:
    async with hub.socket(None) as silent, hub.socket(None) as hasty:
        await say(hasty, type="subscribe", id="1", payload=QUERY)
        assert await closed(hasty) == (4401, "Unauthorized")
        assert (await closed(silent))[0] == 4408


async def test_one_answer_then_complete(hub: Running) -> None:
    async with hub.socket() as socket:
        for id_ in ("1", "1", 'odd "id" \u2028'):  # one that has ended may be used again
            await say(socket, type="subscribe", id=id_, payload=QUERY)
            data = {"data": {"viewer": {"name": "sales"}}}
            assert await hear(socket) == {"id": id_, "type": "next", "payload": data}
            assert await hear(socket) == {"id": id_, "type": "complete"}
        given = {"kind": "team.idea", "title": "By a socket"}
        payload = {"query": PUBLISH, "variables": {"input": given}}
        await say(socket, type="subscribe", id="m", payload=payload)
        data = {"data": {"publishSignal": {"__typename": "PublishSignalSuccess"}}}
        assert await hear(socket) == {"id": "m", "type": "next", "payload": data}
        assert await hear(socket) == {"id": "m", "type": "complete"}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"query": "{ doesNotExist }"}, "VALIDATION"),
        ({"query": "{ a "}, "SYNTAX"),
        ({"query": "query A { __typename }", "operationName": "B"}, "INVALID"),
        ({"query": "{a" * 5000 + "}" * 5000}, "LIMIT_EXCEEDED"),
        ({"query": "subscription { signals(after: 5) { __typename } }"}, "VALIDATION"),
        ({"query": 'subscription { signals(after: "x") { __typename } }'}, "BAD_CURSOR"),
        ({"query": 'subscription { feed(role: "x") { __typename } }'}, "NOT_FOUND"),
    ],
)
async def test_what_cannot_be_executed_is_an_error_and_others_go_on(
    hub: Running, payload: dict[str, Any], code: str
) -> None:
    async with hub.socket() as socket:
        await say(socket, type="subscribe", id="e", payload=payload)
        told = await hear(socket)
        assert (told["id"], told["type"]) == ("e", "error")
        assert told["payload"][0]["extensions"]["code"] == code
        assert await ponged(socket) == [], "an error ends it, without complete"


BAD = [
    "{nope", "[]", "5", '"hi"', "null", "{}", '{"type":"wat"}', '{"type":["ping"]}',
    '{"type":"subscribe","payload":{"query":"{__typename}"}}',
    '{"type":"subscribe","id":"x"}',
    '{"type":"subscribe","id":"x","payload":null}',
    '{"type":"subscribe","id":"x","payload":"q"}',
    '{"type":"subscribe","id":"x","payload":{}}',
    '{"type":"subscribe","id":"x","payload":{"query":5}}',
    '{"type":"subscribe","id":"x","payload":{"query":null}}',
    '{"type":"subscribe","id":"x","payload":{"query":"{__typename}","variables":[1]}}',
    '{"type":"subscribe","id":1,"payload":{"query":"{__typename}"}}',
    '{"type":"subscribe","id":{},"payload":{"query":"{__typename}"}}',
    '{"type":"subscribe","id":"","payload":{"query":"{__typename}"}}',
    '{"type":"complete"}', '{"type":"ping","payload":"x"}', b'{"type":"ping"}',
    '{"type":"ping","payload":' + "[" * 100_000 + "]" * 100_000 + "}",
]  # fmt: skip


@pytest.mark.parametrize("message", BAD, ids=range(len(BAD)))
async def test_what_is_no_message_closes_the_socket(hub: Running, message: str | bytes) -> None:
    async with hub.socket() as socket:
        await socket.send(message)
        assert (await closed(socket))[0] == 4400


async def test_who_says_who_it_is_in_no_object_is_closed(hub: Running) -> None:
    async with hub.socket(None) as socket:
        await say(socket, type="connection_init", payload="x")
        assert (await closed(socket))[0] == 4400


async def test_a_message_that_is_too_large_is_not_read(hub: Running) -> None:
    async with hub.socket(None) as socket:
        await say(socket, type="ping", payload={"a": "x" * 2**20})
        assert (await closed(socket))[0] == 1009


async def test_an_id_is_of_one_operation_at_a_time(hub: Running) -> None:
    async with hub.socket() as socket:
        for _ in range(2):
            await say(socket, type="subscribe", id="dup", payload=FOLLOW)
        assert await closed(socket) == (4409, "Subscriber for dup already exists")


async def test_what_was_completed_says_no_more_and_its_id_is_free(hub: Running) -> None:
    async with hub.socket() as socket:
        await say(socket, type="complete", id="nobody's")
        await say(socket, type="subscribe", id="1", payload=FOLLOW)
        assert await ponged(socket) == []
        await asyncio.sleep(0.2)  # that it stands in the log
        await publish(hub, "heard")
        assert (await hear(socket))["id"] == "1"
        await say(socket, type="complete", id="1")
        assert await ponged(socket) == []
        await publish(hub, "not heard")
        await say(socket, type="subscribe", id="1", payload=QUERY)
        assert (await hear(socket))["payload"] == {"data": {"viewer": {"name": "sales"}}}
        assert await hear(socket) == {"id": "1", "type": "complete"}
        assert await ponged(socket) == []


async def test_many_operations_share_a_socket(hub: Running) -> None:
    async with hub.socket() as socket:
        for one in range(50):
            await say(socket, type="subscribe", id=str(one), payload=FOLLOW)
        assert await ponged(socket) == []
        await asyncio.sleep(0.2)
        await publish(hub, "for all")
        heard = [await hear(socket) for _ in range(50)]
        assert {one["id"] for one in heard} == {str(one) for one in range(50)}
        assert {one["type"] for one in heard} == {"next"}
        assert len({json.dumps(one["payload"]) for one in heard}) == 1


async def test_a_fault_of_ours_is_said_to_be_one(
    hub: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("hub.graphql.transports.websocket.Socket._init", broken)
    async with hub.socket(None) as socket:
        await say(socket, type="connection_init")
        assert await closed(socket) == (4500, "Internal server error")
    assert "a socket failed" in caplog.text
