"""The demo as a user starts it: `hub demo` in a process of its own, with all its vendors."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engines import free_port

HUB = Path(sys.executable).with_name("hub")
READY_WITHIN = 120.0  # seconds; on a busy machine the interpreter alone takes some


@dataclass(frozen=True, slots=True)
class Demo:
    url: str
    keys: dict[str, str]
    vendors: dict[str, str]

    def emit(self, vendor: str, **record: Any) -> Any:
        """Make something happen at a vendor."""
        return _post(f"{self.vendors[vendor]}/_demo/emit", record)

    def ask(self, query: str, key: str, /, **variables: Any) -> Any:
        """Ask the public API what the page should show."""
        answer = _post(
            f"{self.url}/graphql",
            {"query": query, "variables": variables},
            Authorization=f"Bearer {self.keys[key]}",
        )
        assert "errors" not in answer, answer["errors"]
        return answer["data"]


def _post(url: str, body: Any, **headers: str) -> Any:
    request = urllib.request.Request(  # noqa: S310 - the demo's own loopback address
        url, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
        return json.load(answer)


@contextmanager
def demo(data: Path, *flags: str) -> Generator[Demo]:
    """Run the demo until the block ends, and expect it to leave cleanly."""
    ready, log = data / "ready.json", data / "demo.log"
    command: list[str | Path] = [HUB, "demo", "--port", str(free_port()), *flags]
    command += ["--data", data / "data", "--ready-file", ready]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=bare)
        try:
            _await(process, ready, log)
            told = json.loads(ready.read_text())
            yield Demo(told["url"], told["keys"], told["vendors"])
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0, log.read_text()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _await(process: "subprocess.Popen[bytes]", ready: Path, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not (ready.exists() and ready.stat().st_size):
        if process.poll() is not None:
            raise AssertionError(f"the demo ended by itself:\n{log.read_text()}")
        if time.monotonic() > deadline:
            raise AssertionError(f"not ready within {READY_WITHIN:.0f} s:\n{log.read_text()}")
        time.sleep(0.1)
