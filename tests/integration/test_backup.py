"""Backup under load, restored elsewhere: the same signals, cursors go on, nothing twice."""

import asyncio
import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlmodel import col
from starlette.responses import Response

from hub.connector import PersonRef
from hub.graphql.relay import log_cursor
from hub.store import Store, log, open_store
from hub.store.backup import GAP, back_up
from hub.store.deliveries import deliveries
from hub.store.migrate import migrate
from hub.store.sources import standings
from hub.store.tables import LogHead, SignalRow
from tests.cli import Folder, Here
from tests.engines import Postgres
from tests.everywhere import places
from tests.integration.test_deliveries import Receiver, endpoint
from tests.integration.test_forget import EMAIL, HERS, TRACES, draft, forget_here, put
from tests.ledger import Book, ledger_config
from tests.running import Running, hear, migrated, running, say, until
from tests.servers import serve


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path, {"HUB_SECRET_KEY": "k" * 40})
    folder.write("")
    return folder


@contextlib.asynccontextmanager
async def writing(book: Book) -> AsyncGenerator[None]:
    """Let a source speak all the time."""

    async def write() -> None:
        while True:
            book.write(f"Deal {len(book.records)}")
            await asyncio.sleep(0.03)

    task = asyncio.ensure_future(write())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def ids(store: Store) -> list[tuple[str, str]]:
    async with store.read() as connection:
        rows = await connection.execute(select(col(SignalRow.id), col(SignalRow.external_id)))
        return sorted((row.external_id, row.id) for row in rows)


FEED = """
subscription Signals($after: String) { signals(after: $after) {
  __typename ... on SignalCreated { signal { externalId } } ... on CursorExpired { oldest } } }
"""


@pytest.mark.processes
async def test_a_backup_under_load_is_restored_and_goes_on(folder: Folder) -> None:
    book, receiver = Book(page=20), Receiver()
    receiver.answers = [Response(status_code=503)] * 10_000
    async with serve(book.app) as vendor, serve(receiver.app) as url:
        config = ledger_config(vendor, toml=endpoint(url))
        async with running(f"sqlite:///{folder.path}/hub.db", config) as hub, writing(book):
            await until(lambda: len(book.records) > 50)
            before = len(book.records)
            done = await folder.hub("backup", "copy.db", "--json")
            assert done.code == 0, done.err
            after = await ids(hub.app.state.runtime.store)
            await until(lambda: len(book.records) > before + 50)
        assert len(receiver.got) > 10
        file = folder.path / "copy.db"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert done.json == {"file": "copy.db", "bytes": file.stat().st_size}
        leftovers = {path.name for path in folder.path.iterdir()} - {"hub.toml", ".env"}
        assert leftovers == {"hub.db", "copy.db"}

        back = await folder.hub("restore", "copy.db", HUB_DATABASE="sqlite:///back.db")
        assert back.code == 0, back.err
        async with open_store(f"sqlite:///{folder.path}/back.db") as store:
            restored = await ids(store)
            async with store.read() as connection:
                head = await log.head(connection)
                lines = await log.after(connection, 0, 100_000)
                [standing] = await standings(connection, "ledger")
                waiting = {one.id for one in await deliveries(connection)}
            async with store.write() as connection:  # they are tried again at once, not in minutes
                await connection.exec_driver_sql(
                    "UPDATE deliveries SET next_attempt_at = created_at, lease_until = NULL"
                )
        # It is of one moment: signals, log and cursor agree.
        assert set(restored) <= set(after)
        assert 50 <= len(restored) == len(lines) == standing.cursor["after"] == head - GAP

        receiver.answers = []
        got = len(receiver.got)
        asked = book.asked
        config = ledger_config(vendor, toml=endpoint(url))
        async with running(f"sqlite:///{folder.path}/back.db", config) as hub:
            store = hub.app.state.runtime.store
            whole = await until(lambda: _all(store, len(book.records)), within=60)
            assert set(restored) <= set(whole), "what was there has the same ids"
            assert Counter(id_ for id_, _ in whole).most_common(1)[0][1] == 1
            new = len(book.records) - len(restored)
            assert book.asked - asked <= new // book.page + 40, "it went on, not from the start"
            # What waited is sent under the webhook-id of before.
            await until(lambda: waiting <= _webhook_ids(receiver, got), within=60)
            # A cursor of before the backup goes on; one of the log that is gone is told so.
            cursors = [log_cursor(number) for number in (len(lines) - 5, len(lines) + 5)]
            gone_on, expired = await _heard(hub, cursors, new + 5)
        assert [one["__typename"] for one in expired] == ["CursorExpired"]
        assert len({one["signal"]["externalId"] for one in gone_on}) == new + 5


async def _heard(hub: Running, cursors: list[str], count: int) -> list[list[Any]]:
    """Follow from each cursor, until the first has brought so many events and the others one."""
    heard: list[list[Any]] = [[] for _ in cursors]
    async with hub.socket("admin") as socket:
        for number, cursor in enumerate(cursors):
            payload = {"query": FEED, "variables": {"after": cursor}}
            await say(socket, type="subscribe", id=str(number), payload=payload)
        while len(heard[0]) < count or not all(heard):
            message = await hear(socket, within=30)
            if message["type"] == "next":
                heard[int(message["id"])].append(message["payload"]["data"]["signals"])
    return heard


async def _all(store: Store, count: int) -> Any:
    found = await ids(store)
    return found if len(found) == count else None


def _webhook_ids(receiver: Receiver, since: int) -> set[str]:
    return {headers["webhook-id"] for headers, _ in receiver.got[since:]}


async def test_what_goes_wrong_is_said_and_leaves_no_trace(folder: Folder, here: Here) -> None:
    def run(*words: str, **environment: str) -> Any:
        return asyncio.to_thread(here, *words, **environment)

    (await run("backup", "copy.db")).said(2, "no database at hub.db")
    await migrated(f"sqlite:///{folder.path}/hub.db")
    assert (await run("backup", "copy.db")).code == 0
    (await run("backup", "copy.db")).said(2, "copy.db is there already", "--force")
    assert (await run("backup", "copy.db", "--force")).code == 0
    (await run("backup", "hub.db", "--force")).said(2, "is the database itself")
    (await run("backup", "no/such/copy.db")).said(2, "there is no folder no/such")
    (folder.path / "dir").mkdir()
    (await run("backup", "dir", "--force")).said(2, "dir is a folder")

    (await run("restore", "none.db")).said(2, "none.db cannot be read: No such file")
    (await run("restore", "dir")).said(2, "dir cannot be read")
    (folder.path / "text").write_text("not a database, but long enough to be read as one" * 99)
    (await run("restore", "text", "--force")).said(2, "text is no backup of a hub")
    with contextlib.closing(sqlite3.connect(folder.path / "other.db")) as other:
        other.execute("CREATE TABLE x (y)")
    (await run("restore", "other.db", "--force")).said(2, "other.db is no backup of a hub")
    (await run("restore", "copy.db")).said(2, "there is a database at hub.db already", "--force")
    (await run("restore", "hub.db", "--force")).said(2, "hub.db is the database itself")
    damaged = bytearray((folder.path / "copy.db").read_bytes())
    damaged[4096 * 3 : 4096 * 40] = b"\xff" * 4096 * 37
    (folder.path / "damaged.db").write_bytes(damaged)
    (await run("restore", "damaged.db", "--force")).said(2, "damaged.db is no backup")
    with contextlib.closing(sqlite3.connect(folder.path / "copy.db")) as newer, newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    (await run("restore", "copy.db", "--force")).said(2, "the schema of a newer version")
    assert not [path for path in folder.path.iterdir() if "part" in path.name]
    async with open_store(f"sqlite:///{folder.path}/hub.db") as store:
        assert await ids(store) == []


@pytest.mark.processes
async def test_a_running_hub_keeps_its_database(folder: Folder, here: Here) -> None:
    await migrated(f"sqlite:///{folder.path}/hub.db")
    back_up(folder.path / "hub.db", folder.path / "copy.db", force=False)
    async with folder.serving():
        refused = await asyncio.to_thread(here, "restore", "copy.db", "--force")
    refused.said(2, "somebody has hub.db open", "Stop the hub first")
    assert (await asyncio.to_thread(here, "restore", "copy.db", "--force")).code == 0


@pytest.mark.processes
def test_a_full_disk_leaves_neither_half_a_file_nor_the_old_one_changed(tmp_path: Path) -> None:
    """The limit of a process's files stands in for a full disk: no root is needed for it."""
    asyncio.run(migrated(f"sqlite:///{tmp_path}/hub.db"))
    (tmp_path / "copy.db").write_text("the backup of yesterday")
    (tmp_path / "hub.toml").write_text("")
    command = 'ulimit -f 40; trap "" XFSZ; exec "$@"'
    done = subprocess.run(
        ["bash", "-c", command, "-", sys.executable, "-m", "hub", "backup", "copy.db", "--force"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONDONTWRITEBYTECODE": "1",  # the limit would cut compiled modules short, too
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done
    assert "error: the backup copy.db cannot be written: " in done.stderr
    assert "  fix: Free some space" in done.stderr
    assert (tmp_path / "copy.db").read_text() == "the backup of yesterday"
    assert {path.name for path in tmp_path.iterdir()} == {"hub.db", "copy.db", "hub.toml"}


async def test_who_was_forgotten_since_is_forgotten_again(folder: Folder, here: Here) -> None:
    async with open_store(await migrated(f"sqlite:///{folder.path}/hub.db")) as store:
        await put(store, draft("1", **HERS), draft("2", title=f"Ask {EMAIL}"))
        back_up(folder.path / "hub.db", folder.path / "copy.db", force=False)
        assert await forget_here(store) == 1
    assert TRACES[0] in (folder.path / "copy.db").read_bytes().decode("latin-1").casefold()
    done = await asyncio.to_thread(here, "restore", "copy.db", "--force", "--json")
    assert done.code == 0, done.err
    assert done.json == {"database": "hub.db", "list_carried_over": True, "forgotten_again": 1}
    async with open_store(f"sqlite:///{folder.path}/hub.db") as store:
        assert await places(store, "zaunkoenig", "mira.z@", "quittengelee") == []
        await put(store, draft("3", author=PersonRef(name="Mira", email=EMAIL), title="Hello"))
        assert (await ids(store))[-1][0] == "3"
        assert await places(store, "mira", "hello") == []


async def test_on_postgresql_the_command_to_run_is_said_and_works(
    postgres: Postgres, postgres_url: str, folder: Folder, here: Here
) -> None:
    environment = {"HUB_DATABASE": postgres_url.replace("hub@", "hub:secret@")}
    async with open_store(await migrated(postgres_url)) as store:
        await put(store, draft("1", **HERS), draft("2"))
        before = await ids(store)
        said = await asyncio.to_thread(here, "backup", "copy.dump", **environment)
        said.said(2, "HUB_DATABASE is PostgreSQL", "pg_dump --format=custom")
        assert "secret" not in said.err
        _run(postgres, folder, said.err)
        assert await forget_here(store) == 1
        _run(
            postgres,
            folder,
            f"Run: pg_dump --data-only --table=forgotten --file=list.sql {store_url(postgres_url)}",
        )
    said = await asyncio.to_thread(here, "restore", "copy.dump", **environment)
    said.said(2, "pg_restore --clean --if-exists --single-transaction", "docs/backup.md")
    _run(postgres, folder, said.err.replace(" (docs/backup.md)", ""))
    # As docs/backup.md says: the list, the numbers, the schema, and whoever came back.
    _run(postgres, folder, f"Run: psql --quiet --file=list.sql {store_url(postgres_url)}")
    async with open_store(postgres_url) as store:
        await migrate(store)
        async with store.write() as connection:
            await connection.execute(update(LogHead).values(seq=LogHead.seq + GAP))
        assert await ids(store) == before
        again = await asyncio.to_thread(here, "forget", "--again", "--yes", **environment)
        assert again.code == 0, again.err
        assert await places(store, "zaunkoenig", "mira.z@", "quittengelee") == []


def store_url(url: str) -> str:
    return f"--dbname='{url}'"


def _run(postgres: Postgres, folder: Folder, said: str) -> None:
    """Run the command of an error's last line, as a person would copy it."""
    command = said.rpartition("Run: ")[2].strip()
    subprocess.run(
        ["bash", "-c", command],
        cwd=folder.path,
        env={"PATH": f"{postgres.bin}:{os.environ['PATH']}"},
        check=True,
        capture_output=True,
    )
