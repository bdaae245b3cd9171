"""Makes the data of a released version, by that version itself.

    git worktree add /tmp/old v0.1.0
    here=$PWD; cd /tmp/old
    PYTHONPATH=. $here/.venv/bin/python $here/tests/released/make.py > /tmp/v0.1.0.jsonl

So it runs with the code and the tests of that version, and may use nothing newer. The first line
says what the test must know to go on: keys, cursors, and the ledger that was read. Each other line
is a row, written so that either database can take it.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select
from sqlmodel import SQLModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub import __version__
from hub.signing import new_secret
from hub.store import open_store
from tests.ledger import Book, ledger_config
from tests.running import Running, running, until
from tests.servers import serve

PAGE = """query ($after: String) { signals(first: 5, after: $after) {
  edges { node { id title } } pageInfo { endCursor } resumeFrom
} }"""
PUBLISH = """mutation ($input: PublishSignalInput!) {
  publishSignal(input: $input) { ... on PublishSignalSuccess { signal { id } } }
}"""
ENDPOINTS = """
[roles.sales.sees]
classification = "confidential"
[endpoints.good]
role = "sales"
url = "{url}/good"
secret = "{secret}"
min_score = 0.0
[endpoints.busy]
role = "sales"
url = "{url}/busy"
secret = "{secret}"
min_score = 0.0
kinds = ["team.need"]
[endpoints.gone]
role = "support"
url = "{url}/gone"
secret = "{secret}"
min_score = 0.0
"""


async def main() -> None:
    book, secret = Book(page=7), new_secret()
    codes = {"good": 200, "busy": 503, "gone": 410}

    async def take(request: Request) -> Response:
        return Response("from the endpoint", codes[request.path_params["name"]])

    hooks = Starlette(routes=[Route("/{name}", take, methods=["POST"])])
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/hub.db"
        async with serve(book.app) as ledger, serve(hooks) as receiver:
            config = ledger_config(ledger, toml=ENDPOINTS.format(url=receiver, secret=secret))
            async with running(url, config) as hub:
                known = await live(hub, book)
        about = {"version": __version__, "secret": secret, "records": book.records, **known}
        lines = [orjson.dumps(about), *[line async for line in rows(url)]]
    sys.stdout.write("\n".join(line.decode() for line in lines) + "\n")


async def live(hub: Running, book: Book) -> dict[str, Any]:
    """Let a company live; tell the keys and the cursors that its clients keep."""
    for number in range(1, 31):
        book.write(
            f"Deal {number}", f"deal/{number}", body=f"All about deal {number}", labels=["q4"]
        )
    await read(hub, book)
    page = (await hub.ask(PAGE))["signals"]
    for number in (2, 4, 4):
        book.write(f"Deal {number}, changed", f"deal/{number}", severity=3)
    book.write("Deal 5 is confidential now", "deal/5", classification=2)
    book.write("Nobody can read this", "bad/1", kind="not a kind")
    await read(hub, book)
    for key, words in (("desk", "Please call Acme"), ("offer", "Überprüfe das Angebot 🚀")):
        given = {"kind": "team.need", "title": words, "key": key, "askedOf": ["sales", "support"]}
        await hub.ask(PUBLISH, "community", input=given)

    async def tried() -> bool:
        states = {one["name"]: one for one in await deliveries(hub)}
        return bool(
            states["good"]["pending"] == 0
            and states["busy"]["tried"] == states["busy"]["all"] > 0
            and states["gone"]["disabled"]
        )

    await until(tried)
    return {"keys": hub.keys, "page": page}


async def read(hub: Running, book: Book) -> None:
    """Wait until the hub has read all that the ledger says."""
    store = hub.app.state.runtime.store

    async def is_read() -> bool:
        sources = SQLModel.metadata.tables["sources"]
        async with store.read() as connection:
            found = await connection.execute(select(sources).where(sources.c.name == "ledger"))
            row = found.one()
        return bool(row.cursor.get("after") == len(book.records))

    await until(is_read)


async def deliveries(hub: Running) -> list[dict[str, Any]]:
    tables = SQLModel.metadata.tables
    async with hub.app.state.runtime.store.read() as connection:
        sent = (await connection.execute(select(tables["deliveries"]))).all()
        endpoints = (await connection.execute(select(tables["endpoints"]))).all()
    return [
        {
            "name": one.name,
            "disabled": one.disabled_at is not None,
            "all": sum(row.endpoint_id == one.id for row in sent),
            "pending": sum(row.endpoint_id == one.id and row.state == "pending" for row in sent),
            "tried": sum(row.endpoint_id == one.id and row.attempt > 0 for row in sent),
        }
        for one in endpoints
    ]


async def rows(url: str) -> AsyncGenerator[bytes]:
    """Yield every row of every table, once nothing is at work any more."""
    async with open_store(url) as store, store.read() as connection:
        for name, table in sorted(SQLModel.metadata.tables.items()):
            for row in await connection.execute(select(table).order_by(*table.primary_key)):
                values = {key: written(value) for key, value in row._mapping.items()}
                yield orjson.dumps({"table": name, "row": values})


def written(value: Any) -> Any:
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value


if __name__ == "__main__":
    asyncio.run(main())
