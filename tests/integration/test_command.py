"""Programs that a source starts: what they see, what is kept of them, and how they end."""

import asyncio
import logging
import os
import sys
import time
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from hub import command
from hub.command import Program
from hub.connector import Command, Lines
from hub.errors import SourceMisbehaved, SourceUnavailable
from hub.http import Clients
from hub.opening import opened
from tests.running import until

CANARY = "canary-4711-canary"
QUICK = timedelta(milliseconds=300)


def program(script: str, *words: str, **how: Any) -> Program:
    """Make a program of a few lines of Python."""
    return Program(Command((sys.executable, "-c", script, *words), **how))


async def read(lines: Lines, *arguments: str, **files: bytes) -> list[bytes]:
    named = {name.replace("_", "."): content for name, content in files.items()}
    async with aclosing(lines.run(*arguments, files=named)) as given:
        return [line async for line in given]


async def test_lines_come_as_they_are_written() -> None:
    script = (
        "import time\nfor n in range(3):\n print(n, flush=True); time.sleep(n and 60)\n"  # hangs
    )
    began = time.monotonic()
    async with aclosing(program(script).run()) as given:
        assert [await anext(given), await anext(given)] == [b"0\n", b"1\n"]
    assert time.monotonic() - began < 10, "it is ended with the block"


async def test_it_sees_what_it_is_given_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_SECRET_KEY", "of the hub")
    script = "import os, json; print(json.dumps(dict(os.environ)))"
    [line] = await read(program(script, environment={"TOKEN": SecretStr(CANARY)}))
    assert CANARY.encode() in line
    assert b"of the hub" not in line
    seen = set(eval(line))  # noqa: S307 - it is ours
    assert seen <= {"TOKEN", "PATH", "HOME", "LANG", "LC_CTYPE", "__CF_USER_TEXT_ENCODING"}


async def test_its_files_are_its_own_and_gone_after() -> None:
    script = """
import os, stat, sys
for path in (sys.argv[1], os.path.dirname(sys.argv[1])):
    print(path, oct(stat.S_IMODE(os.stat(path).st_mode)))
print(open(sys.argv[1]).read(), os.getcwd())
"""
    told = await read(program(script, "{folder}/config.json"), config_json=b"{}")
    file, folder, content = [line.decode().split() for line in told]
    assert (file[1], folder[1], content) == ("0o600", "0o700", ["{}", folder[0]])
    assert not os.path.exists(folder[0])  # noqa: ASYNC240, PTH110


async def test_what_it_says_of_its_end_is_told_without_secrets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "hub.command")
    script = """
import os, sys
print('{}', flush=True)
print('starting', file=sys.stderr)
print('the token ' + os.environ['TOKEN'] + ' is refused', file=sys.stderr)
sys.exit(3)
"""
    given = program(script, environment={"TOKEN": SecretStr(CANARY)}).run()
    assert await anext(given) == b"{}\n"
    with pytest.raises(SourceUnavailable) as raised:
        await anext(given)
    assert str(raised.value).endswith("ended with 3: the token … is refused")
    assert [record.said for record in caplog.records if hasattr(record, "said")] == [
        "starting",
        "the token … is refused",
    ]
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    ("script", "how", "words"),
    [
        ("import time; time.sleep(60)", {"silent": QUICK}, "wrote nothing for"),
        (
            "import time\nwhile True: print(1, flush=True); time.sleep(.01)",
            {"longest": QUICK},
            "did not finish within",
        ),
        ("import os; os.kill(os.getpid(), 9)", {}, "was ended by signal 9"),
    ],
)
async def test_a_program_that_hangs_goes_on_forever_or_dies(
    script: str, how: dict[str, Any], words: str
) -> None:
    with pytest.raises(SourceUnavailable, match=words):
        await read(program(script, **how))


async def test_its_children_end_with_it(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    script = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', {child!r}])
open({str(told)!r}, 'w').write(str(child.pid))
print('{{}}', flush=True)
time.sleep(60)
"""
    async with aclosing(program(script).run()) as given:
        await anext(given)
    pid = int(told.read_text())

    def is_gone() -> bool:
        try:
            return b" Z " in Path(f"/proc/{pid}/stat").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return True

    await until(is_gone)


async def test_a_cancelled_poll_ends_it() -> None:
    script = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    pids: list[int] = []

    async def poll() -> None:
        async with aclosing(program(script).run()) as given:
            pids.append(int(await anext(given)))
            await anext(given)

    running = asyncio.ensure_future(poll())
    while not pids:  # noqa: ASYNC110 - a list cannot be waited for
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


async def test_a_line_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "LONGEST_LINE", 1 << 20)
    given = program("print('x' * (1 << 19)); print('x' * (1 << 21))").run()
    assert len(await anext(given)) == (1 << 19) + 1
    with pytest.raises(SourceMisbehaved, match="a line of more than 1 MiB"):
        await anext(given)


async def test_much_that_it_says_holds_nothing_up() -> None:
    script = """
import sys
for n in range(20000): print('x' * 500, file=sys.stderr)
print('{}')
"""
    assert await read(program(script)) == [b"{}\n"]


async def test_a_program_that_is_not_there() -> None:
    async with Clients() as clients, opened(Command(("/no/such/tap",)), clients) as lines:
        assert isinstance(lines, Program)
        with pytest.raises(SourceMisbehaved, match="/no/such/tap cannot be started: No such file"):
            await read(lines)
