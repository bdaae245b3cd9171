"""Uvicorn as this project runs it: a guest, on a socket that is taken before anything starts."""

import asyncio
import contextlib
import errno
import gc
import os
import socket
from collections.abc import AsyncGenerator, Generator, Mapping
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from hub.errors import ConfigError

MESSAGE = 256  # KiB of a WebSocket message, unless it is said otherwise
STALLED = 60_000  # milliseconds in which a client takes nothing of what it is sent
GUEST_GRACE = 2  # seconds that requests under way may take at the end


class Server(uvicorn.Server):
    """Leaves signals to whoever started it: uvicorn would raise them again at its end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def server_config(
    app: ASGIApp, *, grace: int, verbose: bool = False, message: int = MESSAGE
) -> uvicorn.Config:
    """Say how an application is served; `grace`: seconds that requests have when it ends.

    `message`: KiB that a message on a socket may have.

    The lifespan is the caller's: so what keeps it from starting can be said in two lines.
    """
    options: dict[str, Any] = {
        "lifespan": "off",
        "ws": "websockets-sansio",
        "ws_per_message_deflate": False,
        "ws_max_size": message * 1024,
        "server_header": False,
        "log_config": None,
        "log_level": "info" if verbose else "warning",
        "access_log": False,  # hub.web.requests says it, without what a query may hold
        "timeout_graceful_shutdown": grace,
    }
    return uvicorn.Config(app, **options)


def may_open_files() -> None:
    """Let the process open as many files as it may: a socket is one, and 1024 are soon open."""
    if os.name == "posix":
        import resource  # noqa: PLC0415 - other systems have none

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def listen(host: str, port: int, suggestion: str) -> socket.socket:
    """Take a port; 0 takes a free one. Raises ConfigError with the suggestion."""
    # Named TCP, so that asyncio turns Nagle's delay off: without it each answer takes 40 ms.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two programs have the same port
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Each connection has it from here. Without it, who reads no more holds on to what it is
            # sent for as long as it likes: a closed connection waits until all of it was taken.
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED)
        taken.bind((host, port))
        taken.listen(2048)
    except OSError as error:
        taken.close()
        why = "it is taken" if error.errno == errno.EADDRINUSE else error.strerror
        raise ConfigError(f"cannot listen at {host}:{port}: {why}", suggestion) from None
    return taken


def settle() -> None:
    """Let what a process has once it has started stay: it is not searched for garbage again.

    A search of it all takes a quarter of a second in which nobody is told anything, and a thousand
    sockets that are opened are reason enough for one.
    """
    gc.freeze()


def address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Guest(Server):
    """`up` is set once it has started."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(server_config(app, grace=GUEST_GRACE))
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@contextlib.asynccontextmanager
async def serving(apps: Mapping[socket.socket, ASGIApp]) -> AsyncGenerator[None]:
    """Serve each app on its socket until the block ends. Their lifespans are the caller's."""
    servers = [(_Guest(app), listener) for listener, app in apps.items()]
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(server.serve(sockets=[listener])) for server, listener in servers
        ]
        try:
            for server, _ in servers:
                await server.up.wait()
            yield
        finally:
            for server, _ in servers:
                server.should_exit = True
            await asyncio.wait(running)
