"""Clients as they should be: cut off, they come back and go on after their cursor."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field

import httpx2
import websockets

from hub.graphql.relay import read_log_cursor
from tests.running import hear, say

FOLLOW = (
    "subscription ($after: String) { signals(after: $after) { "
    "... on SignalCreated { cursor } ... on SignalUpdated { cursor } "
    "... on SignalWithdrawn { cursor } } }"
)
AGAIN = 0.1  # seconds until it tries again


@dataclass(slots=True)
class Follower:
    """Follows every signal through the proxy. `seen`: the numbers of the log, as they came."""

    url: str
    key: str
    after: str
    seen: list[int] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)  # how its connections ended

    async def follow_by_socket(self) -> None:
        while True:
            try:
                await self._socket()
            except websockets.ConnectionClosed as closed:
                self.ends[str(closed.rcvd.code if closed.rcvd else "cut off")] += 1
            except (OSError, websockets.InvalidHandshake) as error:
                self.ends[type(error).__name__] += 1
            await asyncio.sleep(AGAIN)

    async def _socket(self) -> None:
        async with websockets.connect(
            self.url.replace("http", "ws", 1) + "/graphql",
            subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
        ) as socket:
            key = {"authorization": f"Bearer {self.key}"}
            await say(socket, type="connection_init", payload=key)
            await hear(socket, within=30)
            payload = {"query": FOLLOW, "variables": {"after": self.after}}
            await say(socket, type="subscribe", id="1", payload=payload)
            async for message in socket:
                self._note(json.loads(message))

    async def follow_by_events(self) -> None:
        async with httpx2.AsyncClient(timeout=httpx2.Timeout(30)) as client:
            while True:
                try:
                    await self._events(client)
                    self.ends["complete"] += 1
                except httpx2.TransportError as error:
                    self.ends[type(error).__name__] += 1
                await asyncio.sleep(AGAIN)

    async def _events(self, client: httpx2.AsyncClient) -> None:
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "text/event-stream"}
        body = {"query": FOLLOW, "variables": {"after": self.after}}
        asked = client.stream("POST", f"{self.url}/graphql", json=body, headers=headers)
        async with asked as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    self._note({"type": "next", "payload": json.loads(line[6:])})

    def _note(self, message: dict[str, object]) -> None:
        if message["type"] == "next":
            payload = message["payload"]
            assert isinstance(payload, dict)
            assert "errors" not in payload, payload
            self.after = payload["data"]["signals"]["cursor"]
            self.seen.append(read_log_cursor(self.after))
