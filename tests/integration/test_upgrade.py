"""From a released version to this one: every row is kept, and clients and sources go on."""

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import Connection, inspect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.errors import ConfigError
from hub.graphql.relay import read_log_cursor
from hub.settings import Settings
from hub.store import Store, open_store
from hub.store.migrate import migrate, scripts
from hub.store.schema import REVISIONS, require_current, revision
from hub.web.app import make_app
from tests.cli import ROOT, Folder
from tests.ledger import Book, ledger_config
from tests.released import Released
from tests.released.make import ENDPOINTS, PAGE
from tests.running import SECRET, Running, hear, say, until
from tests.servers import serve

pytestmark = pytest.mark.long

FOLLOW = (
    "subscription ($after: String) { signals(after: $after) { __typename "
    "... on SignalCreated { cursor signal { title } } "
    "... on SignalUpdated { cursor signal { title } } } }"
)


@pytest.fixture(params=["0.1.0"])
def released(request: pytest.FixtureRequest) -> Released:
    return Released.read(request.param)


@pytest.fixture
async def old(empty_database_url: str, released: Released) -> AsyncGenerator[Store]:
    async with open_store(empty_database_url) as store:
        await released.put(store)
        yield store


def test_every_released_version_has_its_data_here() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    data = {path.stem.removeprefix("v") for path in (ROOT / "tests" / "released").glob("*.jsonl")}
    versions = re.findall(r"^## \[(\d[^\]]+)\]", changelog, re.MULTILINE)
    assert data == set(versions), "make them with tests/released/make.py"


async def test_every_row_is_kept(old: Store, released: Released) -> None:
    with pytest.raises(ConfigError, match=r"the schema of an older version\. Run: hub migrate"):
        await require_current(old)
    ran = await migrate(old)
    later = [one for one in REVISIONS if one > released.schema]
    assert ran == [scripts().get_revision(one).doc for one in later]
    await require_current(old)
    assert await released.found(old) == released.rows
    assert len(released.rows["signals"]) > 30
    assert await migrate(old) == []


@asynccontextmanager
async def gone_on(
    old: Store, released: Released
) -> AsyncGenerator[tuple[Running, Book, list[Request]]]:
    """Run this version on the data, with the same ledger and the same endpoints, all well now."""
    await migrate(old)
    about = released.about
    book, got = Book(), []

    async def take(request: Request) -> Response:
        await request.body()
        got.append(request)
        return Response()

    book.records = list(about["records"])
    hooks = Starlette(routes=[Route("/{name}", take, methods=["POST"])])
    async with serve(book.app) as ledger, serve(hooks) as receiver:
        toml = ENDPOINTS.format(url=receiver, secret=about["secret"])
        settings = Settings(
            database=old.url.render_as_string(hide_password=False), secret_key=SECRET
        )
        app = make_app(settings, ledger_config(ledger, toml=toml))
        async with serve(app) as url, httpx2.AsyncClient(base_url=url, timeout=30) as client:
            yield Running(url, about["keys"], app, client), book, got


async def test_keys_and_cursors_of_before_work(old: Store, released: Released) -> None:
    page = released.about["page"]
    seen = {edge["node"]["id"] for edge in page["edges"]}
    async with gone_on(old, released) as (hub, _, _):
        older = (await hub.ask(PAGE, after=page["pageInfo"]["endCursor"]))["signals"]
        assert len(older["edges"]) == 5
        assert seen.isdisjoint(edge["node"]["id"] for edge in older["edges"])
        assert (await hub.reply("{ viewer { name } }", "support"))["data"]["viewer"]


async def test_a_follower_of_before_misses_nothing(old: Store, released: Released) -> None:
    """Everything after its cursor arrives: what the old version wrote, then what this one does."""
    titles = {row["id"]: row["title"] for row in released.rows["signals"]}
    async with gone_on(old, released) as (hub, book, _), hub.socket("admin") as socket:
        variables = {"after": released.about["page"]["resumeFrom"]}
        payload = {"query": FOLLOW, "variables": variables}
        await say(socket, type="subscribe", id="1", payload=payload)
        book.write("Deal of the new version", "deal/new")
        heard: list[str] = []
        while "Deal of the new version" not in heard:
            event = (await hear(socket, within=30))["payload"]["data"]["signals"]
            heard.append(event["signal"]["title"])
    after = read_log_cursor(released.about["page"]["resumeFrom"])
    missed = [row for row in released.rows["changes"] if row["seq"] > after]
    assert len(missed) > 5
    assert heard[:-1] == [titles[row["signal_id"]] for row in missed]


async def test_a_source_goes_on_after_its_cursor(old: Store, released: Released) -> None:
    async with gone_on(old, released) as (hub, book, _):
        known = len(released.about["records"])
        book.write("Deal of the new version", "deal/new")

        async def is_there() -> bool:
            asked = await hub.ask("{ signals(first: 1) { edges { node { title } } } }")
            return bool(asked["signals"]["edges"][0]["node"]["title"] == "Deal of the new version")

        await until(is_there)
        assert book.cursors[0] == known, "nothing is read again"
    found = await released.found(old)
    assert len(found["signals"]) >= len(released.rows["signals"]) + 1
    assert found["quarantine"] == released.rows["quarantine"]


async def test_what_was_undelivered_arrives_under_its_old_id(
    old: Store, released: Released
) -> None:
    names = {row["name"]: row["id"] for row in released.rows["endpoints"]}
    waiting = {
        row["id"]
        for row in released.rows["deliveries"]
        if row["endpoint_id"] == names["busy"] and row["state"] == "pending"
    }
    assert waiting
    async with old.write() as connection:
        await connection.exec_driver_sql(
            "UPDATE deliveries SET next_attempt_at = created_at WHERE state = 'pending'"
        )
    async with gone_on(old, released) as (_, _, got):
        await until(lambda: {one.headers["webhook-id"] for one in got} >= waiting)
        sent = {row["id"] for row in released.rows["deliveries"] if row["state"] == "delivered"}
        assert sent
        assert sent.isdisjoint(one.headers["webhook-id"] for one in got)


async def test_of_many_migrations_at_once_one_runs_and_the_others_wait(
    empty_database_url: str, tmp_path: Path
) -> None:
    folder = Folder(tmp_path, {"HUB_DATABASE": empty_database_url})
    done = await asyncio.gather(*(folder.hub("migrate", "--json") for _ in range(3)))
    assert [one.code for one in done] == [0, 0, 0], done
    *idle, ran = sorted((one.json["ran"] for one in done), key=len)
    assert idle == [[], []]
    assert len(ran) == len(REVISIONS)


@pytest.mark.parametrize(
    "moment", ["ALTER TABLE sources", "CREATE TABLE", "UPDATE alembic_version"]
)
async def test_a_migration_that_is_killed_leaves_the_old_schema(
    old: Store, released: Released, moment: str
) -> None:
    """The moment is after a statement was done, and before the commit of all."""

    def schema(connection: Connection) -> tuple[str | None, dict[str, list[str]]]:
        found = inspect(connection)
        names = found.get_table_names()
        tables = {name: [one["name"] for one in found.get_columns(name)] for name in names}
        return revision(connection), tables

    async with old.read() as connection:
        before = await connection.run_sync(schema)
    url = old.url.render_as_string(hide_password=False)
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.released.killed", url, moment), cwd=ROOT, stderr=PIPE
    )
    _, said = await killed.communicate()
    assert killed.returncode == -signal.SIGKILL, said.decode()
    async with old.read() as connection:
        assert await connection.run_sync(schema) == before
    with pytest.raises(ConfigError, match="hub migrate"):
        await require_current(old)
    await migrate(old)
    await require_current(old)
    assert await released.found(old) == released.rows
