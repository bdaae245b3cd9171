"""Clients that read nothing: they disturb nobody, weigh little, and miss nothing in the end."""

import asyncio
import socket as sockets
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from hub.connector import Draft, Page
from hub.errors import Code
from hub.ingest import Reading, ingest
from hub.live import outlet
from hub.web import server
from hub.web.server import listen
from tests.running import Running, hear, running, say

SIGNALS = """
subscription($after: String) {
  signals(after: $after) { ... on SignalCreated { cursor signal { title body } } }
}
"""
EVENTS = 120
LETTERS = 60_000  # of each: so that a few dozen are more than a connection takes ahead


async def put(hub: Running, first: int, count: int) -> None:
    at = datetime(2026, 11, 2, 9, tzinfo=UTC)
    drafts = [
        Draft(
            kind="sales.deal.won",
            external_id=f"event/{number}",
            revision="1",
            revised_at=at,
            occurred_at=at,
            title=str(number),
            body="x" * LETTERS,
        )
        for number in range(first, first + count)
    ]
    runtime = hub.app.state.runtime
    await ingest(runtime.store, Reading("hub"), Page(drafts, {}), runtime.snapshot.plan)
    await runtime.bus.tell()


async def narrow(hub: Running, stack: AsyncExitStack) -> ClientConnection:
    """Open a socket for which the system takes only a few kilobytes ahead."""
    host, _, port = hub.url.removeprefix("http://").partition(":")
    sock = sockets.socket()
    sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
    opened = connect(
        f"ws://{host}:{port}/graphql",
        subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]  # ty: ignore[invalid-argument-type]  # a NewType of str
        sock=sock,
        max_queue=1,
        compression=None,
        ping_interval=None,
    )
    socket = await stack.enter_async_context(opened)
    key = f"Bearer {hub.keys['sales']}"
    await say(socket, type="connection_init", payload={"authorization": key})
    assert (await hear(socket))["type"] == "connection_ack"
    return socket


async def follow(socket: ClientConnection, id_: str, **variables: Any) -> None:
    payload = {"query": SIGNALS, "variables": variables}
    await say(socket, type="subscribe", id=id_, payload=payload)


async def title(socket: ClientConnection) -> int:
    message = await hear(socket)
    assert message["type"] == "next", message["payload"]
    return int(message["payload"]["data"]["signals"]["signal"]["title"])


async def test_who_reads_nothing_is_told_to_go_on_from_its_cursor(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "QUEUE", 8)
    monkeypatch.setattr(outlet, "PATIENCE", 0.5)
    async with running(database_url) as hub, AsyncExitStack() as stack:
        stuck = [await narrow(hub, stack) for _ in range(3)]
        quick = await stack.enter_async_context(hub.socket())
        for one in (*stuck, quick):
            await follow(one, "1")
        await asyncio.sleep(0.3)
        for first in range(0, EVENTS, 20):
            await put(hub, first, 20)
            # Whoever reads has each of them while the others read nothing.
            assert [await title(quick) for _ in range(20)] == list(range(first, first + 20))
        await asyncio.sleep(1.0)
        for one in stuck:
            heard, message = [], await hear(one)
            while message["type"] == "next":
                heard.append(int(message["payload"]["data"]["signals"]["signal"]["title"]))
                message = await hear(one)
            assert message["type"] == "error"
            (error,) = message["payload"]
            assert error["extensions"]["code"] == Code.FELL_BEHIND
            assert "after" in error["message"]
            # Its id is free again, and it goes on where it stopped.
            await follow(one, "1", after=error["extensions"]["resumeFrom"])
            heard += [await title(one) for _ in range(EVENTS - len(heard))]
            assert heard == list(range(EVENTS))


async def test_a_connection_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(sockets, "TCP_USER_TIMEOUT"):
        return  # there is no such thing on this system
    monkeypatch.setattr(server, "STALLED", 500)
    with listen("127.0.0.1", 0, "") as listener, sockets.socket() as client:
        client.connect(listener.getsockname())
        taken, _ = listener.accept()
        taken.setblocking(True)

        def fill() -> None:
            with taken:
                while True:
                    taken.sendall(b"x" * 65536)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(fill), 20)
