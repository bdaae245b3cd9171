"""A source that goes mad in every way we know, one after the other: told in words, nothing lost."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.http import Clients, Timeouts
from hub.poll import MOST_PAGES
from tests.ledger import Book, ledger_config
from tests.running import Running, running, until
from tests.servers import serve

pytestmark = pytest.mark.faults

HEALTH = "{ sources { name state lastError failures signals } }"
TITLES = "{ signals(first: 100, orderBy: NEWEST) { edges { node { title } } } }"
SKEW = timedelta(hours=1)
Answer = Callable[[Request], Awaitable[Response]]


async def too_many(request: Request) -> Response:
    del request
    return JSONResponse({}, 429, {"Retry-After": "1"})


async def too_many_until_a_time(request: Request) -> Response:
    """Say the time by a clock that is an hour fast."""
    del request
    then = datetime.now(UTC) + SKEW
    dates = {name: _http(at) for name, at in (("Date", then), ("Retry-After", then))}
    return JSONResponse({}, 429, dates)


async def broken(request: Request) -> Response:
    del request
    return Response("oops", 500)


async def garbage(request: Request) -> Response:
    del request
    return Response(b"\xff\x00{", 200, media_type="application/json")


async def hanging(request: Request) -> Response:
    del request
    await asyncio.sleep(2)
    return Response()


async def standing(request: Request) -> Response:
    after = int(request.query_params["after"])
    return JSONResponse({"records": [], "after": after, "more": True})


FAULTS: tuple[tuple[Answer, str], ...] = (
    (too_many, "429"),
    (broken, "500"),
    (hanging, "0.5 s"),
    (garbage, "JSON"),
    (standing, "did not move"),
    (too_many_until_a_time, "429"),
)


class Mad:
    """The ledger's server behind a door that answers for it while `answer` is set."""

    def __init__(self) -> None:
        self.book = Book(page=1)
        self.answer: Answer | None = None
        self.asked = 0
        self.app = Starlette(routes=[Route("/records", self._door)])

    async def _door(self, request: Request) -> Response:
        self.asked += 1
        return await (self.answer or self.book.read)(request)


def _http(at: datetime) -> str:
    return at.strftime("%a, %d %b %Y %H:%M:%S GMT")


async def health(hub: Running, name: str) -> dict[str, Any]:
    sources = (await hub.ask(HEALTH))["sources"]
    found: dict[str, Any] = next(one for one in sources if one["name"] == name)
    return found


async def shows(hub: Running, title: str) -> bool:
    edges = (await hub.ask(TITLES))["signals"]["edges"]
    return any(edge["node"]["title"] == title for edge in edges)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a source half a second in place of half a minute."""
    short = Timeouts(*[timedelta(seconds=0.5)] * 3)
    monkeypatch.setitem(Clients.api.__kwdefaults__ or {}, "timeout", short)


@pytest.mark.usefixtures("hasty")
async def test_a_source_flaps_through_every_fault(tmp_path: Path) -> None:
    mad, good = Mad(), Book()
    written: list[str] = []

    async def says(words: str) -> bool:
        found = await health(hub, "ledger")
        return found["state"] == "FAILING" and words in (found["lastError"] or "")

    async def is_well() -> bool:
        found = await health(hub, "ledger")
        return found["state"] == "OK" and found["lastError"] is None

    async with serve(mad.app, date_header=False) as one, serve(good.app) as two:
        config = ledger_config(one, two)
        async with running(f"sqlite:///{tmp_path}/hub.db", config) as hub:
            for number, (answer, words) in enumerate(FAULTS):
                mad.answer = answer
                written.append(f"Late {number}")
                # Its clock is an hour fast, too.
                mad.book.write(written[-1], revised_at=(datetime.now(UTC) + SKEW).isoformat())
                await until(lambda words=words: says(words))
                good.write(f"On time {number}")
                await until(lambda number=number: shows(hub, f"On time {number}"), within=5)
                assert (await health(hub, "ledger2"))["state"] == "OK"
                assert not await shows(hub, written[-1])
                mad.answer = None
                await until(lambda: shows(hub, written[-1]))
                await until(is_well)
            assert (await health(hub, "ledger"))["signals"] == len(FAULTS)
            assert (await health(hub, "ledger2"))["signals"] == len(FAULTS)


async def test_pages_without_end_are_read_a_thousand_at_a_time(tmp_path: Path) -> None:
    mad, good = Mad(), Book()
    mad.book.write("At the end")
    ended_at: list[int] = []

    async def endless(request: Request) -> Response:
        after = int(request.query_params["after"])
        return JSONResponse({"records": [], "after": after + 1, "more": True})

    async def ending(request: Request) -> Response:
        after = int(request.query_params["after"])
        ended_at.append(after)
        records = mad.book.records if after == ended_at[0] else []
        return JSONResponse({"records": records, "after": ended_at[0] + 1, "more": False})

    mad.answer = endless
    async with (
        serve(mad.app) as one,
        serve(good.app) as two,
        running(f"sqlite:///{tmp_path}/hub.db", ledger_config(one, two)) as hub,
    ):
        await until(lambda: mad.asked > MOST_PAGES + 10, within=120)
        found = await health(hub, "ledger")
        assert (found["state"], found["lastError"]) == ("OK", None), "no error: it goes on"
        good.write("On time")
        await until(lambda: shows(hub, "On time"), within=5)
        mad.answer = ending
        await until(lambda: shows(hub, "At the end"), within=10)
    assert ended_at[0] > MOST_PAGES, "each page's cursor was kept"
