"""A database that cannot be written for a moment: it is told, and nothing waits for a lease."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hub.lease import LEASE
from hub.store import engine
from tests.ledger import Book, ledger_config
from tests.running import running, until
from tests.servers import serve

WORKS = "{ signals(first: 100) { edges { node { title } } } }"


async def test_what_a_lock_kept_from_being_stored_is_stored_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pragmas = [one for one in engine.SQLITE_PRAGMAS if "busy_timeout" not in one]
    monkeypatch.setattr(engine, "SQLITE_PRAGMAS", (*pragmas, "busy_timeout=100"))
    book = Book()
    async with (
        serve(book.app) as vendor,
        running(f"sqlite:///{tmp_path}/hub.db", ledger_config(vendor)) as hub,
    ):

        async def shows(title: str) -> bool:
            edges = (await hub.ask(WORKS))["signals"]["edges"]
            return any(edge["node"]["title"] == title for edge in edges)

        async def readiness() -> tuple[int, str]:
            answer = await hub.client.get("/readyz")
            return answer.status_code, answer.text

        book.write("Before")
        await until(lambda: shows("Before"))
        assert (await readiness())[0] == 200

        async def is_told() -> bool:
            status, words = await readiness()
            return status == 503 and "database is locked" in words

        with closing(sqlite3.connect(tmp_path / "hub.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            book.write("Meanwhile")
            await until(is_told)
            assert await shows("Before"), "reads wait for nobody"
        await until(lambda: shows("Meanwhile"), within=LEASE.total_seconds() / 2)

        async def is_ready() -> bool:
            return (await readiness())[0] == 200

        await until(is_ready)
