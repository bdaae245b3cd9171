"""Any ASGI app behind a real HTTP server on loopback, inside the test's own event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp


class _Server(uvicorn.Server):
    """Uvicorn as a guest: Ctrl-C stays pytest's, and a failed start is an error of the test."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.tried = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as gave_up:
            # A SystemExit inside a task would end pytest itself; the log holds the cause.
            raise RuntimeError("the app's lifespan failed to start, see the log") from gave_up
        finally:
            self.tried.set()


@asynccontextmanager
async def serve(app: ASGIApp, *, port: int = 0, **config: Any) -> AsyncGenerator[str]:
    """Serve `app` until the block ends; yield its address. `config` goes to uvicorn.Config."""
    options: dict[str, Any] = {
        "log_config": None,
        "log_level": "warning",
        "access_log": False,
        "ws": "websockets-sansio",
        "ws_per_message_deflate": False,
        "ws_max_size": 256 * 1024,
        "timeout_graceful_shutdown": 1,
    }
    server = _Server(uvicorn.Config(app, **(options | config)))
    # Named TCP, so that asyncio turns Nagle's delay off: without it each answer takes 40 ms.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        # A plain task, not a TaskGroup: pytest-asyncio leaves a fixture in another task.
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await server.tried.wait()
            if not server.started:
                await running
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
