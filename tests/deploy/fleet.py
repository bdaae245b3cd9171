"""The scaled hub of compose.scaled.yaml as processes: two for the web, two that work, a proxy."""

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx2

from tests.cli import ROOT
from tests.crash.planted import Crash
from tests.crash.processes import Home
from tests.engines import end_with_parent, free_port
from tests.running import until

PROXY = ROOT / "deploy" / "haproxy.cfg"
START_SECONDS = 90
STOP_SECONDS = 20  # it is ten; a busy machine takes some more


@dataclass(slots=True)
class Member:
    """One process of the hub, at a port of its own, which its successors take too."""

    home: Home
    command: str
    port: int = field(default_factory=free_port)
    process: Process | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        # The hub's own program, with shorter waits for what died and what was refused.
        self.process = await self.home.start(self.command, "--port", str(self.port), crash=Crash())
        assert self.process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = await self.process.stdout.readline()
        assert self.address in line.decode(), self.home.log[-2000:]

    async def end(self, by: signal.Signals) -> None:
        """End it. SIGTERM must be a good end, and in time."""
        assert self.process is not None
        self.process.send_signal(by)
        async with asyncio.timeout(STOP_SECONDS):
            code = await self.process.wait()
        assert code == (0 if by is signal.SIGTERM else -by), self.home.log[-2000:]
        self.process = None

    async def restart(self) -> None:
        await self.end(signal.SIGTERM)
        await self.start()


@dataclass(slots=True)
class Fleet:
    webs: list[Member]
    workers: list[Member]
    url: str

    @property
    def members(self) -> list[Member]:
        return [*self.webs, *self.workers]


@asynccontextmanager
async def fleet(home: Home, haproxy: str) -> AsyncGenerator[Fleet]:
    """Run all of them behind the proxy, until the block ends."""
    webs = [Member(home, "serve") for _ in range(2)]
    workers = [Member(home, "worker") for _ in range(2)]
    async with AsyncExitStack() as stack:
        for member in (*webs, *workers):
            stack.push_async_callback(_kill, member)
        await asyncio.gather(*(member.start() for member in (*webs, *workers)))
        url = await stack.enter_async_context(_proxy(home, haproxy, webs))
        yield Fleet(webs, workers, url)


async def _kill(member: Member) -> None:
    if member.process is not None and member.process.returncode is None:
        member.process.kill()
        await member.process.wait()


@asynccontextmanager
async def _proxy(home: Home, haproxy: str, webs: list[Member]) -> AsyncGenerator[str]:
    listen = f"127.0.0.1:{free_port()}"
    one, two = webs
    places = {"HUB_LISTEN": listen, "HUB_WEB1": one.address, "HUB_WEB2": two.address}
    with (home.path / "proxy.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(haproxy, "-db", "-f", PROXY),
            env={**os.environ, **places},
            stdout=log,
            stderr=log,
            preexec_fn=end_with_parent,
        )
    try:
        async with httpx2.AsyncClient(base_url=f"http://{listen}") as client:

            async def answers() -> bool:
                assert process.returncode is None, (home.path / "proxy.log").read_text()
                try:
                    return (await client.get("/")).status_code == httpx2.codes.OK
                except httpx2.TransportError:
                    return False

            await until(answers, within=30)
        yield f"http://{listen}"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
