"""A sign-in that is revoked: the owner is told once, and after the repair nothing is missing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.connector import Api, Cursor, Http, Page, RefreshToken
from hub.renewal import reload
from hub.settings import environment
from hub.store import open_store
from hub.store.sources import standings
from tests import ledger
from tests.grants import CLIENT, FIRST, SECRET, Vendor
from tests.ledger import TOKEN, Book, Ledger
from tests.running import Running, running, until
from tests.servers import serve

TITLES = "{ signals(first: 100, orderBy: OLDEST) { edges { node { title kind status } } } }"
CHANGES = "{ changes(first: 100) { edges { node { type title } } } }"


class Guarded(Ledger):
    """The ledger behind OAuth2 with a refresh token that rotates."""

    refresh: SecretStr
    kinds: ClassVar[frozenset[str]] = frozenset({"sales.deal.won"})

    def endpoint(self) -> Http:
        auth = RefreshToken(f"{self.url}/token", CLIENT, self.refresh, SecretStr(SECRET))
        return Http(self.url, auth)

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        async for page in super().pull(api, cursor):
            yield page


def install(folder: Path) -> Path:
    """Offer it as the connector `guarded` beside the ledger."""
    ledger.install(folder)
    about = folder / "guarded_connector-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: guarded-connector\nVersion: 1\n")
    points = "[hub.connectors]\nguarded = tests.integration.test_repair:Guarded\n"
    (about / "entry_points.txt").write_text(points)
    return folder


class Company:
    """A vendor whose ledger is read with the tokens of its own OAuth2."""

    def __init__(self) -> None:
        self.book, self.vendor = Book(), Vendor()
        self.app = self.vendor.app
        self.app.router.routes.append(Route("/records", self.records))

    async def records(self, request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.vendor.valid:
            return JSONResponse({"error": "invalid_token"}, 401)
        # The ledger itself knows one token.
        right = [(b"authorization", f"Bearer {TOKEN}".encode())]
        return await self.book.read(Request({**request.scope, "headers": right}))

    def revoke(self) -> None:
        self.vendor.revoked, self.vendor.valid = True, set()

    def agree(self, refresh: str) -> None:
        self.vendor.revoked, self.vendor.refresh = False, refresh


async def titles(hub: Running) -> list[str]:
    edges = (await hub.ask(TITLES))["signals"]["edges"]
    return [edge["node"]["title"] for edge in edges]


async def shows(hub: Running, title: str) -> bool:
    return title in await titles(hub)


async def news(hub: Running) -> list[str]:
    """List every line of the log about the source's sign-in, in order."""
    edges = (await hub.ask(CHANGES))["changes"]["edges"]
    said = [edge["node"]["title"] or "" for edge in edges]
    return [title for title in said if "lets the hub in" in title or "read again" in title]


async def test_it_stops_tells_once_and_goes_on_at_its_place_after_the_repair(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(install(tmp_path / "packages"))
    company = Company()

    def keep(refresh: str) -> None:
        (tmp_path / ".env").write_text(f"CRM_REFRESH='{refresh}'\n")

    def write(url: str) -> None:
        Path("hub.toml").write_text(
            f'[sources.crm]\nconnector = "guarded"\nurl = "{url}"\nevery = "1s"\n'
            'refresh = "${CRM_REFRESH}"\nnotify_after = 2020-01-01T00:00:00Z\n'
        )

    async def cursor() -> Any:
        async with open_store(database_url) as store, store.read() as connection:
            [one] = await standings(connection, "crm")
            return one.state, one.cursor

    async with serve(company.app) as url:
        keep(FIRST)
        write(url)
        company.book.write("Before")
        async with running(database_url, file=Path("hub.toml")) as hub:
            await until(lambda: shows(hub, "Before"))
            company.vendor.valid = set()  # an access token that ended is nobody's business
            company.book.write("Between")
            await until(lambda: shows(hub, "Between"))
            assert await news(hub) == []

            company.revoke()
            company.book.write("While it was locked out")
            await until(lambda: news(hub))
            asked = len(company.vendor.forms)
            await asyncio.sleep(2.5)
            assert len(company.vendor.forms) == asked, "polling stops until it is mended"
            state, place = await cursor()
            assert (state, place) == ("auth_failed", {"after": 2})
            assert len(await news(hub)) == 1

            company.agree("agreed-anew")
            keep("agreed-anew")
            async with open_store(database_url) as store:
                await reload(store, Path("hub.toml"), environment(), "test", lambda _: None)
            await until(lambda: shows(hub, "While it was locked out"))
            await until(lambda: _count(hub, 2))
            assert await news(hub) == ["crm no longer lets the hub in", "crm can be read again"]
    assert 0 not in company.book.cursors[1:], "nothing was read again from the start"


async def _count(hub: Running, lines: int) -> bool:
    return len(await news(hub)) == lines
