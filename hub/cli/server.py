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

from hub.errors import ConfigError

GRACE = 8  # seconds that requests under way have to end; supervisors kill after ten
FRAME = 64 * 1024  # bytes of a WebSocket message
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """Leaves the signals to `ended_by_signals`: uvicorn would raise them again at its end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        assert sockets is not None
        typer.echo(f"Team Signals Hub is at {address(sockets[0])} (Ctrl-C stops it)")


def serve_app(app: Any, listening: socket.socket, *, verbose: bool = False) -> None:
    """Serve an application, its lifespan included, until a signal ends it."""
    config = uvicorn.Config(
        app,
        lifespan="off",  # run here, so that what keeps it from starting is said in two lines
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=FRAME,
        server_header=False,
        log_config=None,
        log_level="info" if verbose else "warning",
        access_log=verbose,
        timeout_graceful_shutdown=GRACE,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_no_cancellation)
    server = Server(config)

    async def run() -> None:
        with ended_by_signals(server):
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


def listener(host: str, port: int) -> socket.socket:
    """Take a port. Raises ConfigError."""
    # Named TCP, so that asyncio turns Nagle's delay off: without it each answer takes 40 ms.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        raise ConfigError(
            f"cannot listen at {host}:{port}: {error.strerror}",
            "Choose another with --host and --port, or HUB_HOST and HUB_PORT",
        ) from None
    return taken


def address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
