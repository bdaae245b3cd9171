"""What a search finds, and in which order: the same on both engines."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select
from sqlmodel import col

from hub.access import Always, Says
from hub.config import read_config
from hub.connector import AccountRef, Draft, Page, PersonRef
from hub.errors import Refused
from hub.ingest import Plan, Reading, ingest
from hub.route import Router
from hub.signals import Status
from hub.store import Store, open_store
from hub.store.indexing import index_again
from hub.store.pages import Order, Window, search_page, signals_page
from hub.store.tables import AccountRow, SearchedRow, SignalRow, table
from hub.words import read_query
from tests.everywhere import places
from tests.running import migrated

T0 = datetime(2026, 11, 2, 9, tzinfo=UTC)
PLAN = Plan(Router(read_config("", {}).roles))
GIVEN = json.loads(Path(__file__).with_name("search_examples.json").read_text())


def draft(id_: str, said: dict[str, Any], revision: int = 1) -> Draft:
    more = dict(said)
    for part, ref in (("account", AccountRef), ("author", PersonRef)):
        if part in more:
            more[part] = ref(name=more[part])
    at = T0 + timedelta(minutes=revision)
    known: dict[str, Any] = {"kind": "team.post", "external_id": id_, "revised_at": at}
    known |= {"revision": str(revision), "occurred_at": T0}
    return Draft(**(known | more))


async def put(store: Store, *drafts: Draft) -> None:
    await ingest(store, Reading("chat"), Page(list(drafts), {}), PLAN)


@pytest.fixture
async def store(database_url: str) -> AsyncGenerator[Store]:
    async with open_store(await migrated(database_url)) as store:
        yield store


async def found(store: Store, says: Says, *, size: int = 50) -> list[str]:
    """Search forth and back a page at a time; both ways give the same."""
    async with store.read() as connection:
        forth: list[tuple[Any, Any]] = []
        window = Window(size)
        while (page := await search_page(connection, Always(), says, window)).items:
            forth += page.items
            window = Window(size, after=page.items[-1][0])
        back: list[tuple[Any, Any]] = []
        window = Window(size, backward=True)
        while (page := await search_page(connection, Always(), says, window)).items:
            back = [*page.items, *back]
            window = Window(size, before=page.items[0][0], backward=True)
        filtered = await signals_page(connection, says, Order.NEWEST, Window(100))
    ids = [one.id for _, one in forth]
    assert ids == [one.id for _, one in back]
    assert sorted(ids) == sorted(one.id for _, one in filtered.items)
    return [one.title for _, one in forth]


async def test_the_examples(store: Store) -> None:
    assert len(GIVEN["examples"]) >= 40
    titles = {said["title"]: name for name, said in GIVEN["signals"].items()}
    await put(
        store,
        *(draft(said.get("external_id", name), said) for name, said in GIVEN["signals"].items()),
    )
    wrong = []
    for one in GIVEN["examples"]:
        names = [titles[title] for title in await found(store, Says(one["search"]), size=2)]
        wanted = one["finds"]
        if one.get("any_order"):
            names, wanted = sorted(names), sorted(wanted)
        if names != wanted:
            wrong.append((one["search"], wanted, names))
    assert wrong == []


async def test_what_changes_is_found_by_what_it_says_now(store: Store) -> None:
    await put(store, draft("1", {"title": "Quince"}), draft("2", {"title": "Medlar"}))
    await put(store, draft("1", {"title": "Sorb"}, 2))
    await put(store, draft("2", {"title": "gone", "status": Status.DELETED}, 2))
    assert await found(store, Says("quince")) == []
    assert await found(store, Says("medlar")) == []
    assert await found(store, Says("sorb")) == ["Sorb"]
    async with store.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(table(SearchedRow))) == 2


async def test_words_of_an_older_version_are_found_after_a_while(store: Store) -> None:
    await put(
        store, *(draft(str(n), {"title": f"Quince {n}", "account": "Ünal"}) for n in range(3))
    )
    async with store.write() as connection:
        await connection.execute(delete(SearchedRow))
        await connection.exec_driver_sql("UPDATE accounts SET words = ''")
    assert await found(store, Says("quince")) == []
    assert await index_again(store) == 3
    assert await index_again(store) == 0
    assert len(await found(store, Says("quince"))) == 3
    async with store.write() as connection:
        await connection.exec_driver_sql("UPDATE signals SET title = 'Medlar'")
        later = datetime.now(UTC)
        await connection.execute(table(SignalRow).update().values(updated_at=later))
        assert await connection.scalar(select(col(AccountRow.words))) == " unal"
    assert await index_again(store) == 3
    assert len(await found(store, Says("medlar"))) == 3
    assert await found(store, Says("quince")) == []


async def test_a_word_that_was_taken_out_is_in_no_page(store: Store) -> None:
    for n in range(30):  # many parts of an index, as of a hub that has run for a while
        await put(store, draft(str(n), {"title": f"Zaunkoenig{n}", "body": "tail " * n}))
    assert await places(store, "zaunkoenig")
    await put(
        store, *(draft(str(n), {"title": "x", "status": Status.DELETED}, 2) for n in range(30))
    )
    assert await places(store, "zaunkoenig") == []


async def test_no_query_is_an_error_of_the_server(store: Store) -> None:
    signs = st.text(max_size=40) | st.text(alphabet="\"*()':&|!<->^{}+-#ab \\%東👍", max_size=40)
    loop = asyncio.get_running_loop()
    asked = []

    async def ask(query: str) -> None:
        async with store.read() as connection:
            await search_page(connection, Always(), Says(query), Window(5))

    @settings(max_examples=80, deadline=None)
    @given(signs)
    def every(query: str) -> None:
        with suppress(Refused):
            read_query(query)
            asked.append(query)
            asyncio.run_coroutine_threadsafe(ask(query), loop).result()

    await asyncio.to_thread(every)
    assert len(asked) > 10


@pytest.mark.parametrize("query", ["a" * 10_000, '"' * 10_000, "\0", "", " ", "***"])
async def test_what_cannot_be_searched_for_is_refused(store: Store, query: str) -> None:
    with pytest.raises(Refused, match="The search has"):
        await found(store, Says(query))


async def test_a_text_of_any_length_can_be_stored(store: Store) -> None:
    long = " ".join(f"w{n}é{'x' * 80}" for n in range(20_000))
    await put(
        store, draft("1", {"title": "Long", "body": long}), draft("2", {"title": "a" * 300_000})
    )
    assert await found(store, Says("long")) == ["Long"]
    await put(store, draft("3", {"title": "CJK", "body": "東京都" * 30_000}))
    assert await found(store, Says("京都")) == ["CJK"]


async def test_of_what_is_too_long_the_beginning_is_found(store: Store) -> None:
    await put(store, draft("1", {"title": "Log", "body": f"first {'tick ' * 16_000}last"}))
    assert await found(store, Says("first")) == ["Log"]
    assert await found(store, Says("last")) == []


async def test_sqlite_writes_the_words_of_a_page_in_one_part(tmp_path: Path) -> None:
    """A part for each signal is as good for a search, and costs a page a third of its time."""
    async with open_store(await migrated(f"sqlite:///{tmp_path}/hub.db")) as store:
        await put(store, *(draft(str(number), {"title": "Renewal"}) for number in range(3)))
        async with store.read() as connection:
            parts = await connection.exec_driver_sql(
                "SELECT count(DISTINCT segid) FROM search_index_idx"
            )
            assert parts.scalar_one() == 1
