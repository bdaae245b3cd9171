"""Real HTTP servers on loopback, guests in the demo's loop: they end when the demo does."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from starlette.types import ASGIApp

from hub.errors import ConfigError
from hub.web import server as web
from hub.web.server import Server, server_config

HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
GRACE = 2  # seconds that requests under way may take at the end


class _Guest(Server):
    """`up` is set once it has started."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(server_config(app, grace=GRACE))
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


def listen(host: str, port: int) -> socket.socket:
    """Bind a port of this machine; 0 takes a free one. Raises ConfigError."""
    if host not in HOSTS:
        raise ConfigError(
            f"the demo lets everybody in, so it is served on this machine only, not on {host}",
            "Leave the host away, or serve a hub of your own: hub init",
        )
    suggestion = f"Choose another: hub demo --port {port + 1 if port else 8123}"
    return web.listen("127.0.0.1" if host == "localhost" else host, port, suggestion)


def listen_near(port: int) -> socket.socket:
    """Bind this port of 127.0.0.1, or a free one where it is taken."""
    try:
        return listen("127.0.0.1", port)
    except ConfigError:
        return listen("127.0.0.1", 0)


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
