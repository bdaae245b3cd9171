"""Programs of the benchmarks that run beside it: told a line of JSON, they answer with one."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

LINE = 16 * 1024 * 1024
STOP_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Child:
    """It ends when its input does, so also when we are killed."""

    process: asyncio.subprocess.Process

    async def ask(self, question: Any = None) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(orjson.dumps(question) + b"\n")
        await self.process.stdin.drain()
        return await self.answer()

    async def answer(self) -> Any:
        """Wait for what it tells next, unasked or not."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a program of the benchmark ended: {await self.process.wait()}")
        return orjson.loads(line)


@asynccontextmanager
async def child(module: str, *arguments: str) -> AsyncGenerator[Child]:
    async with program(sys.executable, "-m", module, *arguments) as started:
        yield started


@asynccontextmanager
async def program(*command: str, folder: Path | None = None) -> AsyncGenerator[Child]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE,
        # The settings of a hub that somebody runs here have no say.
        env={name: value for name, value in os.environ.items() if not name.startswith("HUB_")},
    )
    try:
        yield Child(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
