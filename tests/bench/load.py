"""Asks over many connections at once, as lightly as Python can: the servers are what is measured.

python -m tests.bench.load, then a line of JSON for each volley (see `Volley`)
"""

import asyncio
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
import uvloop

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass(slots=True)
class Volley:
    """Requests to one server for so many seconds; each connection takes them in turn."""

    port: int
    connections: int
    seconds: float
    requests: list[bytes]
    least: int = 5000  # bytes of an answer: less is no page of 50 signals
    until: float = 0.0
    times: list[float] = field(default_factory=list)


class _Connection(asyncio.Protocol):
    """One request after the other; nothing of an answer is read but what shows that it is one."""

    def __init__(self, volley: Volley, place: int) -> None:
        self.volley = volley
        self.place = place
        self.done = asyncio.get_running_loop().create_future()
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(self.volley.requests[self.place % len(self.volley.requests)])
        self.place += 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(_END_OF_HEAD)
        if head < 0:
            return
        at = self.buffer.lower().find(_LENGTH, 0, head) + len(_LENGTH)
        length = int(self.buffer[at : self.buffer.index(b"\r", at)])
        if len(self.buffer) < head + len(_END_OF_HEAD) + length:
            return
        if not self.buffer.startswith(b"HTTP/1.1 200") or length < self.volley.least:
            self._end(RuntimeError(f"not a page: {self.buffer[:600]!r}"))
            return
        self.buffer = b""
        now = time.perf_counter()
        self.volley.times.append(now - self.began)
        if now < self.volley.until:
            self._ask()
        else:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("the server hung up"))

    def _end(self, error: Exception | None = None) -> None:
        if not self.done.done():
            self.done.set_result(error)
            self.transport.close()


async def fire(volley: Volley) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    volley.until = began + volley.seconds
    ends = []
    for place in range(volley.connections):
        _, connection = await loop.create_connection(
            partial(_Connection, volley, place), "127.0.0.1", volley.port
        )
        ends.append(connection.done)
    for error in await asyncio.gather(*ends):
        if error is not None:
            raise error
    seconds = time.perf_counter() - began
    times = sorted(volley.times)
    return {"requests": len(times), "seconds": seconds, "p50_ms": times[len(times) // 2] * 1000}


def main() -> None:
    for line in sys.stdin:
        asked = orjson.loads(line)
        asked["requests"] = [request.encode() for request in asked["requests"]]
        answer = uvloop.run(fire(Volley(**asked)))
        sys.stdout.write(orjson.dumps(answer).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
