"""Real HTTP servers on loopback, guests in the demo's loop: they end when the demo does."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from hub.errors import ConfigError

HOSTS = {"127.0.0.1": socket.AF_INET, "localhost": socket.AF_INET, "::1": socket.AF_INET6}
_CONFIG: Mapping[str, Any] = {
    "log_config": None,
    "log_level": "warning",
    "access_log": False,
    "lifespan": "off",
    "ws": "websockets-sansio",
    "ws_max_size": 65536,
    "ws_per_message_deflate": False,
    "server_header": False,
    "timeout_graceful_shutdown": 2,  # seconds that requests under way may take at the end
}


class _Guest(uvicorn.Server):
    """Uvicorn without its own ideas about Ctrl-C; `up` is set once it has started."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(uvicorn.Config(app, **_CONFIG))
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """Bind a port of this machine; 0 takes a free one. Raises ConfigError."""
    if host not in HOSTS:
        raise ConfigError(
            f"the demo lets everybody in, so it is served on this machine only, not on {host}",
            "Leave the host away, or serve a hub of your own: hub init",
        )
    # Named TCP, so that asyncio turns Nagle's delay off: without it each answer takes 40 ms.
    listener = socket.socket(HOSTS[host], socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two programs have the same port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1" if host == "localhost" else host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
        raise ConfigError(
            f"port {port} {why}", f"Choose another: hub demo --port {port + 1 if port else 8123}"
        ) from None
    return listener


def listen_near(port: int) -> socket.socket:
    """Bind this port of 127.0.0.1, or a free one where it is taken."""
    try:
        return listen("127.0.0.1", port)
    except ConfigError:
        return listen("127.0.0.1", 0)


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
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
