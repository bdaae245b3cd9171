"""A source of the tests' own: a ledger of records over HTTP, and the connector that reads it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.config import Config, SourceConfig, read_config
from hub.connector import AccountRef, Api, Bearer, Connector, Cursor, Draft, Http, Page

TOKEN = "the-ledger-token"


class Ledger(Connector):
    """Reads an append-only ledger by number."""

    url: str
    token: SecretStr = SecretStr(TOKEN)
    kinds: ClassVar[frozenset[str]] = frozenset({"sales.deal.won"})
    every: ClassVar[timedelta] = timedelta(seconds=0.2)

    def endpoint(self) -> Http:
        return Http(self.url, Bearer(self.token))

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        after = cursor.get("after", 0)
        while True:
            answer = await api.get("/records", after=after)
            after = answer["after"]
            yield Page.read(answer["records"], draft, {"after": after}, more=answer["more"])
            if not answer["more"]:
                return


def draft(record: dict[str, Any]) -> Draft:
    return Draft.model_validate(
        {
            "kind": "sales.deal.won",
            "external_id": record["id"],
            "revision": str(record["number"]),
            "revised_at": datetime.fromisoformat(record["at"]),
            "occurred_at": datetime.fromisoformat(record["at"]),
            "account": AccountRef(name="Acme", domain="acme.example"),
            "title": record["title"],
            **record.get("more", {}),
        }
    )


class Book:
    """The ledger's server. `answer` replaces its answers while it is set, `held` holds them up."""

    def __init__(self, page: int = 3) -> None:
        self.page = page
        self.records: list[dict[str, Any]] = []
        self.answer: Response | None = None
        self.held: asyncio.Event | None = None
        self.asked = 0
        self.cursors: list[int] = []  # after which number each poll asked
        self.app = Starlette(routes=[Route("/records", self.read)])

    def write(self, title: str, id_: str | None = None, **more: Any) -> None:
        number = len(self.records) + 1
        at = datetime.now(UTC).isoformat()
        record = {"id": id_ or f"r{number}", "number": number, "at": at, "title": title}
        self.records.append({**record, "more": more})

    async def read(self, request: Request) -> Response:
        self.asked += 1
        if self.held is not None:
            await self.held.wait()
        if self.answer is not None:
            return self.answer
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"message": "bad token"}, 401)
        after = int(request.query_params["after"])
        self.cursors.append(after)
        part = self.records[after : after + self.page]
        end = after + len(part)
        return JSONResponse({"records": part, "after": end, "more": end < len(self.records)})


def install(folder: Path) -> Path:
    """Make a package that offers the connector `ledger`; its folder is to be put on the path."""
    about = folder / "ledger_connector-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: ledger-connector\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[hub.connectors]\nledger = tests.ledger:Ledger\n")
    return folder


def ledger_config(*urls: str, toml: str = "", **changes: Any) -> Config:
    """Configure one ledger per address, named `ledger`, `ledger2`..., beside what `toml` says."""
    base = read_config(toml, {})
    sources = dict(base.sources)
    for number, url in enumerate(urls, 1):
        name = "ledger" if number == 1 else f"ledger{number}"
        given: dict[str, Any] = {
            "name": name,
            "kind": "ledger",
            "connector": Ledger(url=url),
            "every": Ledger.every,
            "notify_after": datetime(2020, 1, 1, tzinfo=UTC),
        }
        sources[name] = SourceConfig(**(given | changes))
    return replace(base, sources=sources)
