"""Programs that write lines: started for one poll, watched, and ended with all they started."""

import asyncio
import contextlib
import logging
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hub.connector import Command
from hub.errors import SourceMisbehaved, SourceUnavailable
from hub.hidden import hide, redact

LONGEST_LINE = 16 * 1024 * 1024
FOLDER = "{folder}"
_POLITE = timedelta(seconds=5)  # from SIGTERM to SIGKILL
_EXCERPT = 500

logger = logging.getLogger(__name__)


class Program:
    """Implements hub.connector.Lines."""

    def __init__(self, endpoint: Command) -> None:
        self._endpoint = endpoint
        self._name = Path(endpoint.argv[0]).name
        hide(*(value.get_secret_value() for value in endpoint.environment.values()))

    def __repr__(self) -> str:
        return f"<Program {self._name}>"

    async def run(
        self, *arguments: str, files: Mapping[str, bytes] | None = None
    ) -> AsyncGenerator[bytes]:
        ends = asyncio.get_running_loop().time() + self._endpoint.longest.total_seconds()
        with TemporaryDirectory(prefix="hub-") as folder:  # 0700
            for name, content in (files or {}).items():
                _write(Path(folder, name), content)
            complaints = _Complaints(self._name)
            process = await self._start(folder, arguments, complaints)
            finished = False
            try:
                while line := await self._line(process, ends):
                    yield line
                finished = True
                code = await self._ended(process)
                await complaints.whole()
            finally:
                # Once it has finished and is reaped, its number may be another's.
                if process.returncode is None or not finished:
                    await _end(process)
                complaints.close()
        if code:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
            raise SourceUnavailable(redact(f"{self._name} {how}{complaints.last()}"))

    async def _start(
        self, folder: str, arguments: tuple[str, ...], complaints: "_Complaints"
    ) -> Process:
        argv = [part.replace(FOLDER, folder) for part in (*self._endpoint.argv, *arguments)]
        given = self._endpoint.environment.items()
        read, write = os.pipe()
        try:
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: complaints, os.fdopen(read, "rb", 0)
            )
            return await asyncio.create_subprocess_exec(
                *argv,
                cwd=folder,
                # Not the hub's own environment, which holds the secrets of every other source.
                env={"PATH": os.defpath, "HOME": folder, "LANG": "C.UTF-8"}
                | {name: value.get_secret_value() for name, value in given},
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=write,
                limit=LONGEST_LINE,
                start_new_session=True,  # a group of its own, to end it with its children
            )
        except OSError as error:
            complaints.close()
            raise SourceMisbehaved(
                f"{argv[0]} cannot be started: {error.strerror}",
                "Install it on every machine where the hub works, and write its full path",
            ) from None
        finally:
            os.close(write)

    async def _line(self, process: Process, ends: float) -> bytes:
        assert process.stdout is not None
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(
                min(self._endpoint.silent.total_seconds(), max(ends - clock(), 0))
            ):
                return await process.stdout.readline()
        except TimeoutError:
            if clock() >= ends:
                said = f"did not finish within {self._endpoint.longest}"
            else:
                said = f"wrote nothing for {self._endpoint.silent}"
            raise SourceUnavailable(f"{self._name} {said} and was ended") from None
        except ValueError:
            raise SourceMisbehaved(
                f"{self._name} wrote a line of more than {LONGEST_LINE // 2**20} MiB"
            ) from None

    async def _ended(self, process: Process) -> int:
        try:
            async with asyncio.timeout(_POLITE.total_seconds()):
                return await process.wait()
        except TimeoutError:
            raise SourceUnavailable(f"{self._name} closed its output and did not end") from None


class _Complaints(asyncio.Protocol):
    """What a program writes to its standard error: into the log, and the end of it kept."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._begun = b""
        self._kept: deque[str] = deque(maxlen=3)
        self._transport: asyncio.BaseTransport | None = None
        self._ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, rest = (self._begun + data).split(b"\n")
        self._begun = rest[:_EXCERPT]
        for line in lines:
            self._tell(line)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._ended.set()

    async def whole(self) -> None:
        """Wait for the rest, which comes by a way of its own; a child may keep that open."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), 1)

    def close(self) -> None:
        if self._begun:
            self._tell(self._begun)
            self._begun = b""
        if self._transport is not None:
            self._transport.close()

    def last(self) -> str:
        return f": {self._kept[-1]}" if self._kept else ""

    def _tell(self, line: bytes) -> None:
        if said := redact(line.decode(errors="replace").strip())[:_EXCERPT]:
            self._kept.append(said)
            logger.debug("a program says", extra={"program": self._name, "said": said})


def _write(file: Path, content: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)


async def _end(process: Process) -> None:
    """End a program and its children, politely first."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        try:
            async with asyncio.timeout(_POLITE.total_seconds()):
                await process.wait()
        except TimeoutError:
            continue
