"""`hub reload` and SIGHUP to processes as people run them: each follows, or says what it lacks."""

import asyncio
import json
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests import ledger
from tests.cli import ROOT, Done, Folder, Here, Serving, in_this_process
from tests.ledger import TOKEN, Book
from tests.running import until
from tests.servers import serve

pytestmark = pytest.mark.long

SOURCES = "{ sources { name signals problem } }"


def table(url: str, name: str = "ledger", token: str = "${LEDGER_TOKEN}") -> str:
    return (
        f'[sources.{name}]\nconnector = "ledger"\nurl = "{url}"\ntoken = "{token}"\n'
        'every = "1s"\nnotify_after = 2020-01-01T00:00:00Z\n'
    )


def make_folder(path: Path, database: str) -> Folder:
    """Make a folder with an empty hub.toml, in which the connector `ledger` is installed."""
    path.mkdir(exist_ok=True)
    packages = ledger.install(path / "packages")
    folder = Folder(
        path,
        {
            "HUB_DATABASE": database,
            "HUB_SECRET_KEY": "k" * 40,
            "HUB_LOG_LEVEL": "INFO",
            "PYTHONPATH": f"{packages}:{ROOT}",
        },
    )
    folder.write("")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return make_folder(tmp_path / "one", f"sqlite:///{tmp_path}/hub.db")


@pytest.fixture
def here(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Generator[Here]:
    monkeypatch.syspath_prepend(folder.path / "packages")
    with in_this_process(folder, monkeypatch, capsys) as run:
        yield run


def dotenv(folder: Folder, **secrets: str) -> None:
    lines = (f"{name}={value}\n" for name, value in secrets.items())
    (folder.path / ".env").write_text("".join(lines))


async def begun(folder: Folder) -> str:
    """Migrate, and make the key that asks."""
    assert (await folder.hub("migrate")).code == 0
    made = await folder.hub("keys", "create", "--name", "me", "--role", "sales", "--admin")
    assert made.code == 0, made
    return made.out.strip()


async def sources(hub: Serving, key: str) -> dict[str, Any]:
    async with httpx2.AsyncClient(timeout=30) as client:
        answer = await client.post(
            f"{hub.url}/graphql",
            json={"query": SOURCES},
            headers={"Authorization": f"Bearer {key}"},
        )
    return {one["name"]: one for one in answer.json()["data"]["sources"]}


async def has(hub: Serving, key: str, name: str, signals: int) -> bool:
    found = await sources(hub, key)
    return name in found and found[name]["signals"] == signals


def said(done: Done, message: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in done.err.splitlines()]
    return [line for line in lines if line["message"] == message]


async def logged(hub: Serving, message: str) -> dict[str, Any]:
    """Read the log of a process until it says this."""
    assert hub.process.stderr is not None
    async with asyncio.timeout(30):
        while True:
            line: dict[str, Any] = json.loads(await hub.process.stderr.readline())
            if line["message"] == message:
                return line


async def test_an_edited_file_is_put_in_force_by_reload_and_by_sighup(
    folder: Folder, here: Here
) -> None:
    async def run(*words: str) -> Done:
        return await asyncio.to_thread(here, *words)

    key, book = await begun(folder), Book()
    book.write("Deal 0")
    async with serve(book.app) as url, folder.serving() as hub:
        folder.write(table(url))
        missing = await folder.hub("reload")
        assert missing.code == 1
        assert "ledger is not read: hub.toml:4: sources.ledger.token" in missing.err
        assert "fix: Set LEDGER_TOKEN in the environment or .env" in missing.err

        dotenv(folder, LEDGER_TOKEN=TOKEN)  # the process that runs does not have it yet
        done = await folder.hub("reload")
        assert (done.code, done.err) == (0, "")
        assert done.out.splitlines() == [
            "sources: added ledger",
            "In force: every running process follows within seconds",
        ]
        await until(lambda: has(hub, key, "ledger", 1))

        folder.write(table(url).replace("1s", "soon") + "[roles.ops]\n")
        faulty = await run("reload", "--json")
        assert faulty.code == 1
        assert faulty.json["roles"]["added"] == ["ops"]
        [problem] = faulty.json["problems"]
        assert (problem["source"], problem["goes_on"]) == ("ledger", True)
        assert problem["error"].startswith("hub.toml:5: sources.ledger.every: 'soon'")
        book.write("Deal 1")
        await until(lambda: has(hub, key, "ledger", 2))
        assert "'soon'" in (await sources(hub, key))["ledger"]["problem"]
        listed = await run("sources")
        assert "the one before: hub.toml:5: sources.ledger.every: 'soon'" in listed.out
        [shown] = (await run("sources", "--json")).json
        assert "'soon'" in shown["problem"]

        folder.write(table(url) + "[roles.sales]\nthreshold = 9\n")
        (await run("reload")).said(2, "hub.toml:8: roles.sales.threshold")
        folder.write(table(url, token=TOKEN))
        refused = await run("reload")
        refused.said(2, "hub.toml:4: sources.ledger.token: a secret is written out", ".env")
        assert TOKEN not in refused.err

        hub.process.send_signal(signal.SIGHUP)
        failed = await logged(hub, "the reload failed")
        assert (failed["level"], failed["by"]) == ("error", "SIGHUP")
        assert "hub.toml:4: sources.ledger.token: a secret is written out" in failed["error"]
        folder.write(table(url) + table(url, "second"))
        hub.process.send_signal(signal.SIGHUP)
        await until(lambda: has(hub, key, "second", 2))
        assert (await sources(hub, key))["ledger"]["problem"] is None
        ended = await hub.stop(signal.SIGTERM)
    assert ended.code == 0
    assert said(ended, "a new configuration is in force")
    assert TOKEN not in ended.err


async def test_a_second_process_without_a_file_follows_and_lacks_what_it_lacks(
    tmp_path: Path, postgres_url: str
) -> None:
    one, two = (
        make_folder(tmp_path / "one", postgres_url),
        make_folder(tmp_path / "two", postgres_url),
    )
    (two.path / "hub.toml").unlink()
    key, book = await begun(one), Book()
    book.write("Deal 0")
    (await two.hub("serve", "--port", "0")).said(2, "hub.toml does not exist", "hub init")
    async with serve(book.app) as url:
        for folder in (one, two):
            dotenv(folder, LEDGER_TOKEN=TOKEN)
        one.write(table(url))
        async with one.serving() as first, two.serving() as second:
            await until(lambda: has(second, key, "ledger", 1))
            again = await two.hub("keys", "create", "--name", "you", "--role", "sales")
            assert again.code == 0, "the roles are known from what is stored"

            dotenv(one, LEDGER_TOKEN=TOKEN, OTHER_TOKEN=TOKEN)
            one.write(table(url) + table(url, "second", "${OTHER_TOKEN}") + "[roles.ops]\n")
            assert (await one.hub("reload")).code == 0
            begins = await logged(
                second, "the file does not exist: the stored configuration is in force"
            )
            assert begins["by"].startswith("hub serve on ")
            lacks = await logged(second, "the configuration of a source is faulty")
            assert (lacks["source"], lacks["now"]) == ("second", "is not read")
            assert "Set OTHER_TOKEN in the environment or .env" in lacks["error"]
            await until(lambda: has(first, key, "second", 1))

            dotenv(two, LEDGER_TOKEN=TOKEN, OTHER_TOKEN=TOKEN)
            assert (await one.hub("reload")).out.startswith("Nothing changed")
            await logged(second, "a new configuration is in force")
            assert (await first.stop(signal.SIGTERM)).code == 0
            book.write("Deal 1")
            await until(lambda: has(second, key, "second", 2))
            ended = await second.stop(signal.SIGTERM)
    assert ended.code == 0
