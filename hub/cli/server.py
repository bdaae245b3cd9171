"""Uvicorn, owned by us: its address is told when it is ready, and a signal ends it in peace."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Generator
from types import FrameType
from typing import Any

import typer
import uvicorn

from hub.settings import Settings
from hub.web.app import drain
from hub.web.server import (
    Server,
    address,
    listen,
    may_open_files,
    server_config,
    settle,
)

GRACE = 8  # seconds that requests under way have to end; supervisors kill after ten
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Told(Server):
    def __init__(self, app: Any, name: str, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.app = app
        self.name = name

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        settle()
        assert sockets is not None
        typer.echo(f"{self.name} is at {address(sockets[0])} (Ctrl-C stops it)")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        drain(self.app)
        await super().shutdown(sockets)


def serve_app(
    app: Any, listening: socket.socket, settings: Settings, *, name: str = "Team Signals Hub"
) -> None:
    """Serve an application, its lifespan included, until a signal ends it."""
    may_open_files()
    verbose = settings.log_level == "DEBUG"
    config = server_config(app, grace=GRACE, verbose=verbose, message=settings.max_message)
    logging.getLogger("uvicorn.error").addFilter(_is_no_cancellation)
    server = _Told(app, name, config)

    async def run() -> None:
        with ended_by_signals(server), reloaded_by_hangup(app.state.reload):
            async with app.router.lifespan_context(app):
                await server.serve([listening])

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(run())


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    """Leave out the traceback of a request that was still open when the time to end was over."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


@contextlib.contextmanager
def ended_by_signals(server: uvicorn.Server) -> Generator[None]:
    """Let SIGINT and SIGTERM end the server, from its start until all is closed.

    A second Ctrl-C waits for nobody.
    """

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        server.force_exit = server.should_exit and number == signal.SIGINT
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def reloaded_by_hangup(asked: asyncio.Event) -> Generator[None]:
    """Let SIGHUP ask for the configuration to be read anew, also while the hub still starts."""
    if not hasattr(signal, "SIGHUP"):  # Windows has none: `hub reload` does the same
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, asked.set)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def listener(host: str, port: int) -> socket.socket:
    """Take the hub's port. Raises ConfigError."""
    return listen(host, port, "Choose another with --host and --port, or HUB_HOST and HUB_PORT")
