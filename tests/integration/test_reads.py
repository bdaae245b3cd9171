"""Rows by the driver are those of the ordinary way, and come whatever happens to the short one."""

import time
from typing import Any

import orjson
import pytest
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from hub.access import Always, In
from hub.graphql.context import Context
from hub.graphql.executor import ProjectingExecutor
from hub.signals import Viewer
from hub.store import Store, open_store
from hub.store.pages import Order, Window, signals_page
from hub.store.pool import OverPool
from hub.store.reads import OnTheLoop
from hub.store.rows import read_row, signal_rows
from tests.filled import filled

CONDITIONS = (Always(), In("kind", frozenset({"sales.*"})), In("kind", frozenset({"none"})))
LONG = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
    "SELECT max(i) FROM n"
)


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("backward", [False, True])
async def test_rows_are_the_ordinary_page(database_url: str, order: Order, backward: bool) -> None:
    async with filled(database_url) as hub:
        store = hub.app.state.runtime.store
        for condition in CONDITIONS:
            part: Window | None = Window(7, backward=backward)
            while part is not None:
                async with store.read() as connection:
                    page = await signals_page(connection, condition, order, part)
                rows = await signal_rows(store, condition, order, part)
                assert [read_row(row) for _, row in rows.items] == [one for _, one in page.items]
                assert (rows.has_next, rows.has_previous) == (page.has_next, page.has_previous)
                assert rows.head == page.head > 0
                part = None
                if backward and page.has_previous:
                    part = Window(7, before=page.items[0][0], backward=True)
                if not backward and page.has_next:
                    part = Window(7, after=page.items[-1][0])


EVERYTHING = """
{
  signals(first: 100) {
    edges {
      cursor
      node {
        __typename id kind family department title summary body url externalId revision origin
        occurredAt receivedAt updatedAt severity status classification sentiment
        account { id name } author { __typename id who: name } owner { id name }
        labels attributes thread %s
      }
    }
    pageInfo { hasNextPage endCursor } resumeFrom
  }
}
"""


@pytest.mark.parametrize("more", ["", "source { is: __typename id name }", "source { state }"])
async def test_a_row_says_what_a_signal_says(database_url: str, more: str) -> None:
    async with filled(database_url) as hub:
        graphql = hub.app.state.graphql
        viewer = Viewer(roles=frozenset({"sales"}), scopes=frozenset({"admin"}), name="test")
        answers = []
        for class_ in (ProjectingExecutor, StrawberryGraphQLCoreExecutionContext):
            graphql.schema.execution_context_class = class_

            async def identify() -> Viewer:
                return viewer

            context = Context(graphql.runtime, graphql.tail, identify, viewer)
            document = graphql.schema.documents.read(EVERYTHING % more)
            result = await graphql.schema.run(document, context)
            assert result.errors is None
            answers.append(orjson.dumps(result.data))
        assert answers[0] == answers[1]
        assert len(orjson.loads(answers[0])["signals"]["edges"]) > 50


async def test_a_long_read_does_not_keep_the_loop(tmp_path: Any) -> None:
    async with open_store(f"sqlite:///{tmp_path}/hub.db") as store:
        assert await store.rows("SELECT ?", [7]) == [(7,)]
        short = store._short
        assert isinstance(short, OnTheLoop)
        began = time.monotonic()
        assert await short.rows(LONG, []) is None
        assert time.monotonic() - began < 10 * short.longest
        began = time.monotonic()
        assert await short.rows(LONG, []) is None  # not tried again
        assert time.monotonic() - began < short.longest
        assert tuple((await store.rows(LONG, []))[0]) == (300_000,)
        assert await store.rows("SELECT ?", [7]) == [(7,)]


async def test_a_locked_file_is_waited_for_elsewhere(tmp_path: Any) -> None:
    async with open_store(f"sqlite:///{tmp_path}/hub.db") as store:
        await store.rows("SELECT 1", [])
        async with store.write() as connection:
            await connection.exec_driver_sql("CREATE TABLE t (a)")
            assert await store.rows("SELECT count(*) FROM sqlite_master", []) == [(0,)]
        assert await store.rows("SELECT count(*) FROM sqlite_master", []) == [(1,)]


async def test_connections_that_were_cut_are_made_anew(postgres_url: str) -> None:
    async with open_store(postgres_url) as store:
        assert tuple((await store.rows("SELECT 7", []))[0]) == (7,)
        assert isinstance(store._short, OverPool)
        await cut(store)
        assert tuple((await store.rows("SELECT $1::int", [8]))[0]) == (8,)
        assert await store._short.rows("SELECT 9", []) is not None


async def cut(store: Store) -> None:
    async with store.write() as connection:
        await connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
