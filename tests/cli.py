"""The `hub` command as people run it: a process of its own, in a folder of its own."""

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from hub.__main__ import main

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Done:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Read standard output, which is nothing but JSON."""
        assert self.out, self.err
        return json.loads(self.out)

    def said(self, code: int, *errors: str) -> None:
        """Expect an exit code, a line for what happened and one for what to do, no traceback."""
        lines = self.err.splitlines()
        assert self.code == code, self
        assert [line[:7] for line in lines] == ["error: ", "  fix: "], self.err
        for error in errors:
            assert error in self.err


@dataclass(frozen=True)
class Folder:
    """A folder that `hub` runs in, with the environment that it sees."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)
    module: str = "hub"  # what runs it

    def write(self, toml: str) -> None:
        (self.path / "hub.toml").write_text(toml)

    async def hub(self, *words: str, **environment: str) -> Done:
        """Run a command to its end."""
        process = await self.start(*words, terminal=None, **environment)
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    async def start(self, *words: str, terminal: int | None = None, **environment: str) -> Process:
        """Start a command; its output goes to pipes, or to a terminal."""
        inherited = {key: value for key, value in os.environ.items() if key[:4] != "HUB_"}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", self.module, *words,
            cwd=self.path,
            env={**inherited, "PYTHONPATH": str(ROOT), **self.environment, **environment},
            stdout=PIPE if terminal is None else terminal,
            stderr=PIPE if terminal is None else terminal,
        )  # fmt: skip

    @asynccontextmanager
    async def serving(self, *words: str, command: str = "serve") -> AsyncGenerator["Serving"]:
        """Run `hub serve`, or another command that serves, on a free port until the block ends."""
        process = await self.start(command, "--port", "0", *words)
        try:
            assert process.stdout is not None
            async with asyncio.timeout(60):
                line = (await process.stdout.readline()).decode()
            if not line:
                out, err = await process.communicate()
                raise AssertionError(f"it did not start: {out.decode()}{err.decode()}")
            yield Serving(process, line, next(w for w in line.split() if w.startswith("http")))
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()


Here: TypeAlias = Callable[..., Done]


@contextmanager
def in_this_process(
    folder: Folder, patch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[str]
) -> Generator[Here]:
    """Give what runs a command here, where everything is imported already."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    levels = {one: one.level for one in (root, *map(logging.getLogger, ("hub", "connectors")))}
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook

    def run(*words: str, **environment: str) -> Done:
        captured.readouterr()
        with patch.context() as now, contextlib.chdir(folder.path):
            for name, value in (folder.environment | environment).items():
                now.setenv(name, value)
            now.setattr("sys.argv", ["hub", *words])
            with pytest.raises(SystemExit) as ended:
                main()
        return Done(int(ended.value.code or 0), *captured.readouterr())

    gc.collect()  # what earlier tests left behind says now what it has to say
    gc.freeze()  # and what is in use needs no second look
    yield run
    root.handlers[:] = handlers
    for one, level in levels.items():
        one.setLevel(level)
    logging.captureWarnings(capture=False)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


@dataclass(frozen=True)
class Serving:
    process: Process
    line: str
    url: str

    async def stop(self, by: signal.Signals, within: float = 20) -> Done:
        """Send a signal and wait for the end."""
        self.process.send_signal(by)
        async with asyncio.timeout(within):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return Done(self.process.returncode, out.decode(), err.decode())
