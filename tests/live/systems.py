"""Real third-party systems on loopback: installed once, their data kept under build/live/<name>.

Debian's packages come through apt-get (as root) and Python's through pip into an environment of
the system's own. A run takes free ports and ends what it started, so `make live` works on a new
machine and again on an old one.
"""

import contextlib
import os
import signal
import ssl
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import httpx2

from tests.debian import PATH
from tests.engines import free_port

HOME = Path(__file__).parents[2] / "build" / "live"
START_SECONDS = 120
STOP_SECONDS = 10
TAIL_LINES = 40


class System(ABC):
    """One real server: `install` it, then use it as a context manager."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self.home = HOME / self.name
        self.home.mkdir(parents=True, exist_ok=True)
        self.log = self.home / "server.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def install(self) -> None:
        """Bring the programs onto this machine; nothing to do when they are there."""

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """Write the configuration for `port` and tell how to start."""

    @abstractmethod
    def ready(self) -> str:
        """Tell the address that answers 2xx or 401 once the server takes requests."""

    def answers(self) -> bool:
        """Tell whether it takes requests now; a system without HTTP overrides this."""
        with httpx2.Client(trust_env=False, timeout=5, verify=self.trust()) as client:
            try:
                answer = client.get(self.ready())
            except httpx2.TransportError:
                return False
        return answer.is_success or answer.status_code == httpx2.codes.UNAUTHORIZED

    def trust(self) -> ssl.SSLContext | bool:
        """Tell whom to believe who the server is; True: whom everybody does."""
        return True

    def environment(self) -> dict[str, str]:
        return {"PATH": PATH, "HOME": str(self.home), "TZ": "UTC"}

    def __enter__(self) -> Self:
        self.install()
        command = self.command()
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                cwd=self.home,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server and its workers: the process group that this object started."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(STOP_SECONDS)
        self.process = None

    def tail(self) -> str:
        """Quote the end of the server's log, for a failed test's report."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])

    def run(self, *command: str | Path) -> str:
        """Run a command of the system's and give its output, which a failure quotes."""
        done = subprocess.run(
            command,
            cwd=self.home,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-TAIL_LINES:])
            raise RuntimeError(f"{self.name}: {command[0]} ended with {done.returncode}\n{said}")
        return done.stdout

    def _wait(self) -> None:
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up:
            assert self.process is not None
            if (code := self.process.poll()) is not None:
                raise RuntimeError(f"{self.name} ended with {code}\n{self.tail()}")
            if self.answers():
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} did not answer at {self.ready()}\n{self.tail()}")


def venv(system: System, *packages: str) -> Path:
    """Make the system's own Python environment with `packages`; return its interpreter."""
    folder = system.home / "venv"
    python = folder / "bin" / "python"
    done = folder / "installed.txt"
    wanted = "\n".join(packages)
    if not done.exists() or done.read_text() != wanted:
        system.run(sys.executable, "-m", "venv", "--clear", folder)
        system.run(python, "-m", "pip", "install", "--quiet", *packages)
        done.write_text(wanted)
    return python
