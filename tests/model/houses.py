"""The hub that is asked: one within this process, or two processes of its own beside each other."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from starlette.applications import Starlette

from hub.settings import Settings
from hub.snapshot import Snapshot
from hub.web.app import drain, make_app
from tests.cli import ROOT
from tests.crash.processes import Died
from tests.engines import end_with_parent, free_port
from tests.model.company import ENVIRONMENT
from tests.model.planted import environment
from tests.servers import serve

SECRET = "s" * 40
LIMITS = {"max_requests": 1_000_000, "max_streams": 1_000, "max_concurrent": 1_000}
START_SECONDS = 60


class House(Protocol):
    """One process that serves, at an address that stays its own."""

    @property
    def url(self) -> str: ...

    async def start(self) -> None: ...

    async def end(self, *, kindly: bool) -> None:
        """End it: kindly as a deploy does, or at once."""


@dataclass(slots=True)
class Here:
    """Within this process: it is stopped and started, and cannot be killed."""

    database: str
    folder: Path
    port: int = field(default_factory=free_port)
    app: Starlette | None = None
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def tell(self) -> None:
        """Carry a hint to the hub, if it is there."""
        if (runtime := getattr(self.app and self.app.state, "runtime", None)) is not None:
            await runtime.bus.tell()

    @property
    def snapshot(self) -> Snapshot:
        assert self.app is not None
        snapshot: Snapshot = self.app.state.runtime.snapshot
        return snapshot

    async def start(self) -> None:
        options: dict[str, Any] = {"database": self.database, "secret_key": SECRET, **LIMITS}
        self.app = make_app(Settings(**options, config=self.folder / "hub.toml"))
        await self._open.enter_async_context(serve(self.app, port=self.port))

    async def end(self, *, kindly: bool) -> None:
        del kindly
        assert self.app is not None
        drain(self.app)
        await self._open.aclose()


@dataclass(slots=True)
class Beside:
    """A process of its own."""

    settings: dict[str, str]
    folder: Path
    port: int = field(default_factory=free_port)
    process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    async def start(self) -> None:
        ours = {key: value for key, value in os.environ.items() if key[:4] != "HUB_"}
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.model.planted", "serve", "--port", str(self.port)),
                cwd=self.folder,
                env={**ours, "PYTHONPATH": str(ROOT), **ENVIRONMENT, **self.settings},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=PIPE,
                stderr=log,
                preexec_fn=end_with_parent,
            )
        assert self.process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            if not await self.process.stdout.readline():
                raise Died(f"it did not start: {self.log[-2000:]}")

    async def end(self, *, kindly: bool) -> None:
        assert self.process is not None
        if self.process.returncode is not None:
            raise Died(f"it ended with {self.process.returncode}: {self.log[-2000:]}")
        by = signal.SIGTERM if kindly else signal.SIGKILL
        self.process.send_signal(by)
        async with asyncio.timeout(START_SECONDS):
            code = await self.process.wait()
        if code != (0 if kindly else -by):
            raise Died(f"it ended with {code}: {self.log[-2000:]}")


@asynccontextmanager
async def here(database: str, folder: Path) -> AsyncGenerator[Here]:
    house = Here(database, folder)
    await house.start()
    try:
        yield house
    finally:
        await house.end(kindly=True)


@asynccontextmanager
async def beside(
    database: str, redis: str, folder: Path, plant: str | None, *, quick: bool
) -> AsyncGenerator[list[Beside]]:
    """Run two web processes on one database until the block ends."""
    limits = {f"HUB_{name.upper()}": str(value) for name, value in LIMITS.items()}
    settings = {
        "HUB_DATABASE": database,
        "HUB_REDIS": redis,
        "HUB_SECRET_KEY": SECRET,
        "HUB_LOG_LEVEL": "WARNING",
        **limits,
        **environment(plant, quick=quick),
    }
    houses = [Beside(settings, folder) for _ in range(2)]
    try:
        await asyncio.gather(*(house.start() for house in houses))
        yield houses
    finally:
        for house in houses:
            if house.process is not None and house.process.returncode is None:
                house.process.kill()
                await house.process.wait()
