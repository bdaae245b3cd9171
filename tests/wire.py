"""A server that writes bytes by hand, for all that no decent HTTP server would send."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

CERTIFICATES = Path(__file__).parent / "certificates"
AUTHORITY = str(CERTIFICATES / "authority.pem")


@dataclass
class Asked:
    """One request as it came over the wire."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Wire:
    """What the server saw, and how to reach it."""

    port: int = 0
    connections: int = 0
    open: int = 0
    most_open: int = 0
    asked: list[Asked] = field(default_factory=list)
    server_name: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Caller:
    """The connection in the hands of an answer."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Asked
    ) -> None:
        self.reader, self.writer, self.asked = reader, writer, asked

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Break off with a TCP reset in place of a polite end."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Answer: TypeAlias = Callable[[Caller], Awaitable[Any]]


def reply(
    body: bytes = b"{}", status: str = "200 OK", headers: dict[str, str] | None = None
) -> bytes:
    given = {"Content-Type": "application/json", "Content-Length": str(len(body))} | (headers or {})
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def says(body: bytes = b"{}", status: str = "200 OK", **headers: str) -> Answer:
    """Answer every request alike; `retry_after` names the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(caller: Caller) -> None:
        await caller.write(reply(body, status, named))

    return answer


async def closes(caller: Caller) -> None:
    caller.writer.close()


async def resets(caller: Caller) -> None:
    caller.reset()


async def hangs(caller: Caller) -> None:
    await caller.reader.read()


async def drips_headers(caller: Caller) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"z" * 1000:
        await caller.write(bytes([byte]))
        await asyncio.sleep(0.02)


async def drips_the_body(caller: Caller) -> None:
    await caller.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        await caller.write(b" ")
        await asyncio.sleep(0.02)


@asynccontextmanager
async def listen(
    answer: Answer,
    *,
    tls: bool = False,
    host: str = "127.0.0.1",
    port: int = 0,
    reads: bool = True,
) -> AsyncGenerator[Wire]:
    """Listen on loopback until the block ends; connections are then cut, hanging ones too.

    With `reads=False` the answer begins as soon as somebody connects.
    """
    wire = Wire()
    running: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        wire.connections += 1
        wire.open += 1
        wire.most_open = max(wire.most_open, wire.open)
        try:
            if not reads:
                await answer(Caller(reader, writer, Asked("", {}, b"")))
                return
            while (asked := await _read(reader)) is not None:
                wire.asked.append(asked)
                await answer(Caller(reader, writer, asked))
                if writer.is_closing():
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has gone, which is its right
        except asyncio.CancelledError:
            pass  # by the end of `listen`; asyncio 3.11 would log it as an error of its own
        finally:
            wire.open -= 1
            running.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, host, port, ssl=_tls(wire) if tls else None)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    line, *rest = head.decode("latin-1").strip().split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (field.partition(":") for field in rest)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(line, headers, body)


def _tls(wire: Wire) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "server.pem", CERTIFICATES / "server.key")

    def named(_object: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        wire.server_name = name

    context.sni_callback = named
    return context
