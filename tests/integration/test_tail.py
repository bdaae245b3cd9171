"""`hub tail`: what a role hears, in the terminal, also over a hub that goes and comes back."""

import asyncio
import json
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from hub.cli import tail
from hub.cli.lines import Lines
from hub.errors import HubError
from hub.http.streamed import api
from hub.settings import Settings
from hub.web.app import drain, make_app
from tests.cli import Folder, Here
from tests.engines import free_port
from tests.running import SECRET, Running, running, until
from tests.servers import serve

PUBLISH = """mutation ($title: String!, $key: String) { publishSignal(input: {
  kind: "team.idea", title: $title, key: $key }) { __typename } }"""


async def publish(hub: Running, title: str, key: str | None = None) -> None:
    await hub.ask(PUBLISH, "everyone", title=title, key=key)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@asynccontextmanager
async def tailing(
    url: str, key: str, role: str | None = None, *, json: bool = False
) -> AsyncGenerator[None]:
    """Run the command's work beside the block; what it raises comes out."""
    asked = (
        tail._Asked(tail._FEED_LIST, tail._FEED, {"role": role, "minScore": 0.0})
        if role
        else tail._Asked(tail._SIGNALS_LIST, tail._SIGNALS, {"filter": {"kinds": ["team.*"]}})
    )
    follower = tail._Follower(asked, Lines(json=json), 5, None)

    async def run() -> None:
        async with api(url, key, None) as opened:
            await follower.run(opened, url)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            await task


class Said:
    """What was written so far."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured
        self.out = self.err = ""

    def has(self, text: str) -> bool:
        out, err = self._captured.readouterr()
        self.out, self.err = self.out + out, self.err + err
        return text in self.out or text in self.err


async def test_a_role_hears_what_is_new_and_what_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Said(capsys)
    async with running(f"sqlite:///{tmp_path}/hub.db") as hub:
        await publish(hub, "Old idea")
        async with tailing(hub.url, hub.keys["product"], "product"):
            await until(lambda: said.has("Old idea"))
            await publish(hub, "Fresh \x1b[31midea", "one")
            await until(lambda: said.has("Fresh"))
            await publish(hub, "Better idea", "one")
            await until(lambda: said.has("Better idea"))
    old, fresh, better = said.out.splitlines()
    assert "team.idea" in old
    assert "  new  " in fresh
    assert "\x1b" not in fresh
    assert "  changed  " in better


async def test_lines_for_programs_and_a_hub_that_comes_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said, port = Said(capsys), free_port()
    database = f"sqlite:///{tmp_path}/hub.db"
    async with running(database) as hub:  # it stays; another, that is followed, goes and comes

        @asynccontextmanager
        async def other() -> AsyncGenerator[None]:
            settings = Settings(database=database, secret_key=SecretStr(SECRET))
            app = make_app(settings, hub.app.state.runtime.config)
            async with serve(app, port=port):
                yield
                drain(app)

        async with tailing(f"http://127.0.0.1:{port}", hub.keys["admin"], json=True):
            await until(lambda: said.has("nobody answers there"))
            async with other():
                await until(lambda: said.has("back, without a gap"))
                await publish(hub, "Before")
                await until(lambda: said.has("Before"))
            await publish(hub, "While it was away")
            async with other():
                await until(lambda: said.has("While it was away"))
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [(one["event"], one["signal"]["title"]) for one in lines] == [
        ("new", "Before"),
        ("new", "While it was away"),
    ]
    assert said.err.count("going on where this ended") == 2


async def test_what_is_refused_ends_it(tmp_path: Path) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as hub:
        with pytest.raises(HubError, match="no role named 'sales'"):
            async with tailing(hub.url, hub.keys["product"], "sales"):
                await asyncio.sleep(10)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "HUB_API_KEY is not set"),
        (["--role", "sales", "--kind", "sales.*"], "takes no filters"),
        (["--severity", "worst"], "'worst' is no severity"),
        (["--min-score", "0.5"], "--min-score is of a role"),
        (["--demo", "nowhere.json"], "is no ready file of a demo"),
    ],
)
def test_bad_usage(here: Here, words: list[str], error: str) -> None:
    here("tail", *words).said(2, error)


def test_no_address(here: Here) -> None:
    here("tail", "--url", "nowhere", HUB_API_KEY="hub_x").said(2, "is no address of a hub")


@pytest.mark.processes
async def test_ctrl_c_ends_it_well(tmp_path: Path) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as hub:
        await publish(hub, "An idea")
        ready = tmp_path / "ready.json"
        ready.write_text(json.dumps({"url": hub.url, "keys": hub.keys}))
        process = await Folder(tmp_path).start("tail", "--demo", str(ready), "--json")
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        assert json.loads(line)["signal"]["title"] == "An idea"
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            out, err = await process.communicate()
        assert (process.returncode, out, err) == (0, b"", b"")
