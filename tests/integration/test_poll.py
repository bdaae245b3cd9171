"""Polls through a running hub: what a source does wrong is said in words, and loses nothing."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response

from tests.ledger import Book, Ledger, ledger_config
from tests.running import Running, running, until
from tests.servers import serve

HEALTH = "{ source(name: %r) { state lastError failures signals quarantined lagSeconds } }"
TITLES = "{ signals(first: 100, orderBy: OLDEST) { edges { node { title revision } } } }"


async def health(hub: Running, name: str = "ledger") -> Any:
    query = (HEALTH % name).replace("'", '"')
    return (await hub.ask(query))["source"]


async def titles(hub: Running) -> list[str]:
    edges = (await hub.ask(TITLES))["signals"]["edges"]
    return [edge["node"]["title"] for edge in edges]


async def test_records_become_signals_page_by_page(database_url: str) -> None:
    book = Book(page=3)
    for number in range(10):
        book.write(f"Deal {number}")
    async with serve(book.app) as vendor, running(database_url, ledger_config(vendor)) as hub:
        await until(lambda: _all_of(hub, 10))
        assert sorted(await titles(hub)) == [f"Deal {n}" for n in range(10)]
        book.write("Deal 10")
        await until(lambda: _all_of(hub, 11))
        standing = await health(hub)
        assert (standing["state"], standing["lastError"]) == ("OK", None)
        assert standing["lagSeconds"] < 5


async def _all_of(hub: Running, count: int) -> bool:
    return len(await titles(hub)) == count


FAULTS: dict[str, tuple[Response, str, str]] = {
    "401": (JSONResponse({"message": "token expired"}, 401), "AUTH_FAILED", "401"),
    "403": (JSONResponse({}, 403), "AUTH_FAILED", "403"),
    "404": (JSONResponse({}, 404), "FAILING", "404"),
    "429": (JSONResponse({}, 429, {"Retry-After": "1"}), "FAILING", "429"),
    "500": (Response("oops", 500), "FAILING", "500"),
    "html": (Response("<html>", 200, media_type="text/html"), "FAILING", "not JSON"),
    "garbage": (Response(b"\xff\x00{", 200, media_type="application/json"), "FAILING", "JSON"),
    "error body": (JSONResponse({"error": "no such thing"}), "FAILING", "KeyError"),
    "50 MB": (Response(b'"' + b"x" * 50_000_000 + b'"'), "FAILING", "16 MiB"),
    "redirect": (RedirectResponse("https://evil.example/"), "FAILING", "evil.example"),
    "loop": (JSONResponse({"records": [], "after": 0, "more": True}), "FAILING", "did not move"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_told_and_the_rest_goes_on(fault: str, tmp_path: Any) -> None:
    answer, state, words = FAULTS[fault]
    bad, good = Book(), Book()
    bad.answer = answer
    bad.write("Late")
    good.write("On time")
    async with serve(bad.app) as one, serve(good.app) as two:
        config = ledger_config(one, two)
        async with running(f"sqlite:///{tmp_path}/hub.db", config) as hub:
            failing = await until(lambda: _in_state(hub, state))
            assert words in failing["lastError"]
            assert failing["failures"] >= 1
            assert "the-ledger-token" not in failing["lastError"]
            await until(lambda: _shows(hub, "On time"))
            await until(lambda: _well(hub, "ledger2"))
            bad.answer = None
            if state == "AUTH_FAILED":
                asked = bad.asked
                await asyncio.sleep(1)
                assert bad.asked == asked, "polling stops until it is mended"
            sync = 'mutation { syncSource(name: "ledger") { __typename } }'
            done = await hub.ask(sync, role="admin")
            assert done["syncSource"]["__typename"] == "SyncSourceSuccess"
            await until(lambda: _shows(hub, "Late"))
            assert await until(lambda: _in_state(hub, "OK"))


async def _in_state(hub: Running, state: str) -> Any:
    found = await health(hub)
    return found if found["state"] == state else None


async def _well(hub: Running, name: str) -> bool:
    return bool((await health(hub, name))["state"] == "OK")


async def _shows(hub: Running, title: str) -> bool:
    return title in await titles(hub)


async def test_a_bad_record_is_quarantined_and_its_page_goes_on(tmp_path: Any) -> None:
    book = Book()
    book.write("Good")
    book.write("Bad", kind="not a kind")
    book.write("Good too")
    async with (
        serve(book.app) as vendor,
        running(f"sqlite:///{tmp_path}/hub.db", ledger_config(vendor)) as hub,
    ):
        await until(lambda: _all_of(hub, 2))
        query = '{ source(name: "ledger") { quarantine { externalId reason raw seen } } }'
        [bad] = (await hub.ask(query, role="admin"))["source"]["quarantine"]
        assert bad["externalId"] == "r2"
        assert bad["reason"].startswith("kind: ")
        assert "not a kind" in bad["raw"]
        refused = await hub.reply(query, role="sales")
        assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_source_that_lets_nobody_in_is_news_and_so_is_its_return(tmp_path: Any) -> None:
    book = Book()
    book.answer = JSONResponse({}, 401)
    news = '{ signals(filter: {kinds: ["hub.*"]}) { edges { node { kind status title } } } }'
    async with (
        serve(book.app) as vendor,
        running(f"sqlite:///{tmp_path}/hub.db", ledger_config(vendor)) as hub,
    ):

        async def told(kind: str) -> Any:
            edges = (await hub.ask(news))["signals"]["edges"]
            return [edge["node"] for edge in edges if edge["node"]["kind"] == kind]

        [failed] = await until(lambda: told("hub.source.auth_failed"))
        assert failed["status"] == "OPEN"
        book.answer = None
        await hub.ask('mutation { syncSource(name: "ledger") { __typename } }', role="admin")
        [back] = await until(lambda: told("hub.source.recovered"))
        assert back["status"] == "RESOLVED"
        assert await told("hub.source.auth_failed") == [], "one signal, two revisions"


async def test_a_long_first_sync_makes_room_for_a_small_source(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one place for polls: else the small source would wait for the end of the other."""
    monkeypatch.setattr("hub.work.POLLS", 1)
    monkeypatch.setattr("hub.poll.LONGEST_POLL", 0.3)
    busy, small = Book(page=1), Book()
    for number in range(150):
        busy.write(f"Old {number}")
    small.write("Small")
    async with serve(busy.app) as one, serve(small.app) as two:
        config = ledger_config(one, two)
        async with running(f"sqlite:///{tmp_path}/hub.db", config) as hub:
            await until(lambda: _well(hub, "ledger2"))
            read = (await health(hub))["signals"]
            assert 0 < read < 150
            small.write("Small too")
            await until(lambda: _shows_two(hub))
            await until(lambda: _read_all(hub, 150), within=60)
    assert busy.cursors == sorted(busy.cursors), "it went on each time where it was"
    assert len(set(busy.cursors)) >= 150


async def _shows_two(hub: Running) -> bool:
    return bool((await health(hub, "ledger2"))["signals"] == 2)


async def _read_all(hub: Running, count: int) -> bool:
    return bool((await health(hub))["signals"] == count)


async def test_a_restart_goes_on_where_it_was(database_url: str) -> None:
    book = Book()
    book.write("Before")
    async with serve(book.app) as vendor:
        async with running(database_url, ledger_config(vendor)) as hub:
            await until(lambda: _all_of(hub, 1))
        book.write("Between")
        asked = book.asked
        # Another configuration of the same source: its cursor stays.
        config = ledger_config(vendor, connector=Ledger(url=f"{vendor}/"))
        async with running(database_url, config) as hub:
            await until(lambda: _all_of(hub, 2))
            changes = await hub.ask("{ changes { edges { node { type title } } } }")
            kinds = [edge["node"]["type"] for edge in changes["changes"]["edges"]]
            assert kinds == ["CREATED", "CREATED"]
            assert book.asked > asked


ACT = """
mutation Act($name: String!) {
  done: ACTSource(name: $name) {
    __typename
    ... on ACTEDSourceSuccess { source { state } }
    ... on InvalidInput { code field message }
    ... on NotFound { code message }
    ... on Forbidden { code message }
  }
}
"""


async def test_a_paused_source_is_polled_no_more_until_it_is_resumed(database_url: str) -> None:
    book = Book()
    book.write("Before")
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(serve(b.app)) for b in (book, Book())]
        hub = await stack.enter_async_context(running(database_url, ledger_config(one, two)))
        await until(lambda: _shows(hub, "Before"))
        pause, resume = (
            ACT.replace("ACTED", act.capitalize()).replace("ACT", act)
            for act in ("pause", "resume")
        )
        for _ in range(2):
            done = (await hub.ask(pause, role="admin", name="ledger"))["done"]
            assert done == {"__typename": "PauseSourceSuccess", "source": {"state": "PAUSED"}}
        sync = 'mutation { syncSource(name: "ledger") { __typename } }'
        assert (await hub.ask(sync, role="admin"))["syncSource"]["__typename"] == "InvalidInput"
        await asyncio.sleep(1)  # a poll that was under way ends, and leaves it paused
        asked = book.asked
        book.write("Meanwhile")
        await asyncio.sleep(2)
        assert book.asked == asked
        assert await _in_state(hub, "PAUSED")
        done = (await hub.ask(resume, role="admin", name="ledger"))["done"]
        assert done == {"__typename": "ResumeSourceSuccess", "source": {"state": "OK"}}
        await until(lambda: _shows(hub, "Meanwhile"))
        for act in (pause, resume):
            refused = (await hub.ask(act, name="ledger"))["done"]
            assert (refused["__typename"], refused["code"]) == ("Forbidden", "FORBIDDEN")
            unknown = (await hub.ask(act, role="admin", name="nothing"))["done"]
            assert (unknown["__typename"], unknown["code"]) == ("NotFound", "NOT_FOUND")
            assert "ledger" in unknown["message"]
