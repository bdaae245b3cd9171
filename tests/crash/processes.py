"""The hub as processes of its own, started, killed at a moment or a point, and started again."""

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from tests import ledger, secrets
from tests.cli import ROOT
from tests.crash.planted import Crash
from tests.engines import end_with_parent

READY_SECONDS = 60
POINT_SECONDS = 5  # a point that is not reached by then is not waited for
STOP_SECONDS = 30


class Died(Exception):
    """A process of the hub ended though nobody killed it."""


@dataclass(frozen=True, slots=True)
class Home:
    """A folder with hub.toml, the log, and a package that makes the tests' connector known."""

    path: Path
    settings: dict[str, str]

    def furnish(self, toml: str) -> None:
        secrets.write(self.path, "[hub]\ndefault_roles = false\n" + toml)
        ledger.install(self.path / "packages")

    def environment(self, crash: Crash) -> dict[str, str]:
        ours = {key: value for key, value in os.environ.items() if key[:4] != "HUB_"}
        paths = os.pathsep.join((str(self.path / "packages"), str(ROOT)))
        return {
            **ours,
            "PYTHONPATH": paths,
            "HUB_SECRET_KEY": "k" * 40,
            "HUB_LOG_LEVEL": "WARNING",
            **self.settings,
            **crash.environment(),
        }

    @property
    def log(self) -> str:
        file = self.path / "log"
        return file.read_text() if file.exists() else ""

    async def start(self, *words: str, crash: Crash) -> Process:
        with (self.path / "log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.crash.planted", *words),
                cwd=self.path,
                env=self.environment(crash),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=PIPE,
                stderr=log,
                preexec_fn=end_with_parent,
            )

    async def run(self, *words: str) -> str:
        """Run a command to its good end and give what it wrote."""
        process = await self.start(*words, crash=Crash())
        out, _ = await process.communicate()
        if process.returncode:
            raise Died(f"hub {' '.join(words)} ended with {process.returncode}: {self.log[-2000:]}")
        return out.decode()

    @asynccontextmanager
    async def running(self, *words: str, crash: Crash) -> AsyncGenerator["Running"]:
        """Run a process until the block ends, which may kill it before."""
        process = await self.start(*words, crash=crash)
        running = Running(self, process)
        try:
            yield running
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@dataclass(slots=True)
class Running:
    home: Home
    process: Process
    url: str | None = field(default=None)

    async def ready(self) -> bool:
        """Wait until it says where it is; False when it was killed before."""
        assert self.process.stdout is not None
        async with asyncio.timeout(READY_SECONDS):
            line = (await self.process.stdout.readline()).decode()
            if not line:
                await self._killed()
                return False
        self.url = next((word for word in line.split() if word.startswith("http")), None)
        return True

    async def kill_in(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._still_there()
        # Not `process.kill()`: it looks first whether the process is dead, and if a bomb has just
        # gone off it takes the exit code away from whoever waits for it.
        os.kill(self.process.pid, signal.SIGKILL)
        await self._killed()

    async def kills_itself(self) -> bool:
        """Wait for the bomb; False when its point was not reached in time."""
        try:
            async with asyncio.timeout(POINT_SECONDS):
                await self._killed()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """End it as a supervisor does. Raises Died when that is not a good end."""
        self._still_there()
        self.process.terminate()
        async with asyncio.timeout(STOP_SECONDS):
            code = await self.process.wait()
        if code:
            raise Died(f"it ended with {code}: {self.home.log[-2000:]}")

    def _still_there(self) -> None:
        if self.process.returncode is not None:
            raise Died(f"it ended with {self.process.returncode}: {self.home.log[-2000:]}")

    async def _killed(self) -> None:
        if (code := await self.process.wait()) != -signal.SIGKILL:
            raise Died(f"it ended with {code}: {self.home.log[-2000:]}")


# The point at whose n-th call a process is killed; without a point, after so many milliseconds.
End: TypeAlias = tuple[str | None, int]


def ends(choose: random.Random, points: Sequence[str], rounds: int) -> list[End]:
    """Choose how each round ends, every third at any time; no point comes twice before all have."""
    chosen: list[End] = []
    bag: list[str] = []
    for number in range(rounds):
        if number % 3 == 2 or not points:
            chosen.append((None, choose.randint(50, 1500)))
            continue
        if not bag:
            bag = choose.sample(points, len(points))
        chosen.append((bag.pop(), choose.randint(1, 4)))
    return chosen
