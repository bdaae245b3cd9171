"""Every command that needs the database refuses one of another version, and says what to run."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import typer

from hub.cli import app
from hub.store import Store, open_store
from hub.store.migrate import migrate
from tests.cli import Folder, Here

# Each command as somebody would type it. `serve` and `worker` are the long-lived ones.
DOORS = {
    "serve": ["--port", "0"],
    "worker": ["--port", "0"],
    "reload": [],
    "sync": ["press"],
    "sources": [],
    "trace": ["01"],
    "retain": [],
    "forget": ["jane@us.example"],
    "audit": [],
    "documents add": ["who.graphql"],
    "documents list": [],
    "documents remove": ["who"],
    "sessions list": [],
    "sessions end": ["--all"],
    "keys create": ["--name", "me", "--role", "sales"],
    "keys list": [],
    "keys revoke": ["hub_abc"],
}
# They need no database, or bring one to this version, or take any: a backup comes before `migrate`.
FREE = {"init", "check", "migrate", "demo", "schema", "backup", "restore", "tail"}
FREE |= {f"connectors {name}" for name in ("list", "show", "new", "certify")}
TOML = '[sources.press]\nconnector = "rss"\nurl = "https://press.example/feed"\n'


def test_every_command_is_a_door_or_free() -> None:
    def names(command: Any, path: str = "") -> list[str]:
        inner = getattr(command, "commands", None)
        if inner is None:
            return [path.strip()]
        return [found for name, one in inner.items() for found in names(one, f"{path} {name}")]

    assert set(names(typer.main.get_command(app))) == DOORS.keys() | FREE


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path, {"HUB_SECRET_KEY": "k" * 40})
    folder.write(TOML)
    (tmp_path / "who.graphql").write_text("query Who { viewer { name } }")
    return folder


async def empty(store: Store) -> None:
    del store


async def older(store: Store) -> None:
    await migrate(store, "0001")


async def newer(store: Store) -> None:
    await migrate(store)
    async with store.write() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")


STATES = [
    (empty, "the database is empty", "Run: hub migrate"),
    (older, "the database has the schema of an older version", "Run: hub migrate"),
    (newer, "the schema of a newer version (9999)", "Install the version that made it"),
]


@pytest.mark.parametrize(("make", "what", "remedy"), STATES, ids=["empty", "older", "newer"])
def test_it_refuses(
    folder: Folder, here: Here, make: Any, what: str, remedy: str, postgres_url: str
) -> None:
    async def prepare(url: str) -> None:
        async with open_store(url) as store:
            await make(store)

    sqlite = f"sqlite:///{folder.path}/hub.db"
    asyncio.run(prepare(sqlite))
    for command, words in DOORS.items():
        if command != "worker":
            here(*command.split(), *words, HUB_DATABASE=sqlite).said(2, what, remedy)
    # A worker is one of many, which are on PostgreSQL.
    asyncio.run(prepare(postgres_url))
    many = {"HUB_DATABASE": postgres_url, "HUB_REDIS": "redis://127.0.0.1:1/0"}
    here("worker", *DOORS["worker"], **many).said(2, what, remedy)
