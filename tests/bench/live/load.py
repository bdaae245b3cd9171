"""Thousands of subscribers in one process, as lightly as Python can: the servers are measured.

python -m tests.bench.live.load, then a line of JSON for each of `Load`'s methods
"""

import asyncio
import base64
import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import orjson
import uvloop

TITLE: Final = b'"Event '
AT_ONCE: Final = 100  # connections that are made at the same time
NONE: Final = -1


class Client(asyncio.Protocol):
    """One socket with one subscription; of an event it reads no more than its number.

    `heard`: told the number of each event, and how many bytes it had.
    """

    def __init__(self, load: "Load", port: int, token: str, query: str) -> None:
        self.load = load
        self.token = token
        self.query = query
        self.port = port
        self.buffer = b""
        self.last = NONE
        self.is_stuck = False
        self.acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.read: Callable[[bytes], None] = self._head

    def itself(self) -> "Client":
        return self

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {self.token}\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self.read(self.buffer + data if self.buffer else data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.load.lost += 1
        if not self.acknowledged.done():
            self.acknowledged.set_exception(exc or ConnectionError("the server hung up"))

    def _head(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self.buffer = data
            return
        if not data.startswith(b"HTTP/1.1 101"):
            self.acknowledged.set_exception(ConnectionError(data[:200].decode("latin-1")))
            return
        self.read, self.buffer = self._frames, b""
        self._say({"type": "connection_init", "payload": {"authorization": f"Bearer {self.token}"}})
        if rest := data[end + 4 :]:
            self._frames(rest)

    def _subscribe(self, variables: Any) -> None:
        payload = {"query": self.query, "variables": variables}
        self._say({"type": "subscribe", "id": "1", "payload": payload})

    def _say(self, message: Any) -> None:
        """Send a text; what a client sends is masked, with a mask of nothing."""
        self._frame(0x81, orjson.dumps(message))

    def _frame(self, kind: int, body: bytes) -> None:
        size = len(body)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        self.transport.write(bytes([kind]) + length + b"\0\0\0\0" + body)

    def _frames(self, data: bytes) -> None:
        at, whole = 0, len(data)
        while whole - at >= 2:
            size, begins = data[at + 1], at + 2
            if size == 126:
                size, begins = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, begins = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            ends = begins + size
            if ends > whole:
                break
            title = data.find(TITLE, begins, ends)
            if title >= 0:
                self.load.heard(self, int(data[title + 7 : title + 13]), ends - begins)
            else:
                self._other(data[at] & 15, data[begins:ends])
            at = ends
        self.buffer = data[at:]

    def _other(self, kind: int, body: bytes) -> None:
        if kind == 9:  # ping
            self._frame(0x8A, body)
        elif kind == 1 and b'"connection_ack"' in body:
            self._subscribe({})
            self.acknowledged.set_result(None)
        elif kind == 1 and b'"FELL_BEHIND"' in body:
            self.load.behind += 1
            (error,) = orjson.loads(body)["payload"]
            self._subscribe({"after": error["extensions"]["resumeFrom"]})
        elif kind == 1 and b'"ping"' not in body:
            self.load.odd.append(body[:200].decode("utf-8", "replace"))


class Load:
    """What is asked of the clients: each method is one question."""

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.times: dict[int, list[float]] = {}
        self.odd: list[str] = []
        self.lost = 0
        self.behind = 0  # times that a client was told to go on from a cursor
        self.size = 0
        self.messages = 0
        self.wrong = 0  # events that came twice, too late, or after one that never came
        self.grown = asyncio.Event()

    def heard(self, client: Client, number: int, size: int) -> None:
        if client.last not in {NONE, number - 1}:
            self.wrong += 1
        client.last = number
        self.size = size
        self.messages += 1
        self.times.setdefault(number, []).append(time.monotonic())

    async def connect(
        self, port: int, token: str, queries: list[str], clients: int, narrow: int = 0
    ) -> Any:
        """Open so many sockets, which take the queries in turn.

        Of the `narrow` first ones the system takes only a few kilobytes ahead.
        """
        loop = asyncio.get_running_loop()
        for first in range(0, clients, AT_ONCE):
            made = [
                Client(self, port, token, queries[place % len(queries)])
                for place in range(first, min(first + AT_ONCE, clients))
            ]
            for place, one in enumerate(made, first):
                sock = socket.socket(proto=socket.IPPROTO_TCP)
                sock.setblocking(False)
                if place < narrow:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                await loop.sock_connect(sock, ("127.0.0.1", port))
                await loop.create_connection(one.itself, sock=sock)
            await asyncio.gather(*(one.acknowledged for one in made))
            self.clients += made
        return {"clients": len(self.clients)}

    async def stick(self, count: int) -> Any:
        """Let so many clients read no more."""
        for one in self.clients[:count]:
            one.is_stuck = True
            one.transport.pause_reading()
        return {}

    async def release(self) -> Any:
        for one in self.clients:
            if one.is_stuck:
                one.is_stuck = False
                one.transport.resume_reading()
        return {}

    async def hear(self, last: int, seconds: float) -> Any:
        """Wait until all who read have heard this event; tell what all heard, and forget it."""
        until = time.monotonic() + seconds
        reading = [one for one in self.clients if not one.is_stuck]
        while any(one.last < last for one in reading) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        told = {
            "missing": sum(one.last < last for one in reading),
            "wrong": self.wrong,
            "lost": self.lost,
            "behind": self.behind,
            "odd": self.odd[:3],
            "size": self.size,
            "messages": self.messages,
            "times": {str(number): times for number, times in self.times.items()},
        }
        self.times, self.odd, self.messages = {}, [], 0
        return told

    async def close(self) -> Any:
        for one in self.clients:
            one.transport.abort()
        await asyncio.sleep(0.1)
        self.__init__()  # type: ignore[misc]
        return {}


async def main() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
    load, loop = Load(), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        name, given = orjson.loads(line)
        answer = await getattr(load, name)(**given)
        sys.stdout.write(orjson.dumps(answer).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
