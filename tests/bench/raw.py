"""The page as fast as one can write it by hand in Python: no GraphQL, no ORM, no types.

The document is not looked at: whoever asks gets this page. PostgreSQL by asyncpg, SQLite by
sqlite3 on the loop's own thread, JSON by orjson.
"""

import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tests.bench.databases import sqlite

_SEVERITIES = ("INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL")

_SELECT = """
SELECT s.id, s.kind, s.department, s.title, s.summary, s.url, s.severity, s.status, s.sentiment,
       s.occurred_at, a.name, p.name, s.source
FROM signals s
LEFT JOIN accounts a ON a.id = s.account_id
LEFT JOIN people p ON p.id = s.author_id
WHERE s.classification <= 1 AND s.kind <> 'people.departure'
  AND NOT (s.kind >= 'sales.lead.' AND s.kind < 'sales.lead/')
  AND NOT (s.kind >= 'goal.' AND s.kind < 'goal/')
"""
_ORDER = " ORDER BY s.occurred_at DESC, s.id DESC LIMIT "

Fetch = Callable[[str, list[Any]], Awaitable[Iterable[Any]]]


class _Where:
    """Writes the conditions of one request with numbered parameters."""

    def __init__(self, *, texts: bool) -> None:
        self.sql: list[str] = []
        self.values: list[Any] = []
        self.texts = texts  # SQLite keeps times as texts
        # SQLite takes an index on kind or source wherever there is one, and sorts what it finds;
        # `+` keeps it from that: going back in time until the page is full is 10 times faster.
        self.free = "+" if texts else ""

    def mark(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def any_of(self, column: str, values: Iterable[str]) -> None:
        self.sql.append(f"{column} IN ({', '.join(map(self.mark, values))})")

    def kinds(self, kinds: Iterable[str]) -> None:
        parts = []
        column = f"{self.free}s.kind"
        for kind in kinds:
            if kind.endswith(".*"):
                least, below = self.mark(kind[:-1]), self.mark(f"{kind[:-2]}/")
                parts.append(f"({column} >= {least} AND {column} < {below})")
            else:
                parts.append(f"{column} = {self.mark(kind)}")
        self.sql.append(f"({' OR '.join(parts)})")

    def time(self, comparison: str, value: str) -> None:
        at = datetime.fromisoformat(value)
        given = at.isoformat(timespec="microseconds") if self.texts else at
        self.sql.append(f"s.occurred_at {comparison} {self.mark(given)}")


def _statement(variables: Any, *, texts: bool) -> tuple[str, list[Any]]:
    where = _Where(texts=texts)
    for name, value in variables["filter"].items():
        match name:
            case "kinds":
                where.kinds(value)
            case "departments":
                where.any_of("s.department", map(str.lower, value))
            case "sources":
                where.any_of(f"{where.free}s.source", value)
            case "statuses":
                where.any_of("s.status", map(str.lower, value))
            case "minSeverity":
                where.sql.append(f"s.severity >= {where.mark(_SEVERITIES.index(value))}")
            case "occurredAfter":
                where.time(">=", value)
            case "occurredBefore":
                where.time("<", value)
            case _:
                raise LookupError(name)
    conditions = "".join(f" AND {part}" for part in where.sql)
    return f"{_SELECT}{conditions}{_ORDER}{where.mark(variables['first'])}", where.values


def _node(row: Any, *, texts: bool) -> dict[str, Any]:
    at = row[9]
    return {
        "id": row[0],
        "kind": row[1],
        "department": row[2].upper(),
        "title": row[3],
        "summary": row[4],
        "url": row[5],
        "severity": _SEVERITIES[row[6]],
        "status": row[7].upper(),
        "sentiment": row[8],
        "occurredAt": datetime.fromisoformat(at) if texts else at,
        "account": None if row[10] is None else {"name": row[10]},
        "author": None if row[11] is None else {"name": row[11]},
        "source": {"name": row[12]},
    }


def make_raw(database: str, key: str) -> ASGIApp:
    texts = database.startswith("sqlite")
    allowed = f"Bearer {key}"
    fetch: Fetch

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        nonlocal fetch
        async with _sqlite(database) if texts else _postgres(database) as fetch:
            yield

    async def page(request: Request) -> Response:
        if request.headers.get("authorization") != allowed:
            return Response(status_code=401)
        asked = orjson.loads(await request.body())
        rows = await fetch(*_statement(asked["variables"], texts=texts))
        edges = [{"node": _node(row, texts=texts)} for row in rows]
        body = orjson.dumps({"data": {"signals": {"edges": edges}}})
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/graphql", page, methods=["POST"])], lifespan=lifespan)


@asynccontextmanager
async def _postgres(database: str) -> AsyncGenerator[Fetch]:
    async def as_it_is(_: Any) -> None:
        """Spare the round trip that clears a connection's state: nothing here sets any."""

    pool = await asyncpg.create_pool(database, min_size=10, max_size=20, reset=as_it_is)

    async def fetch(sql: str, values: list[Any]) -> Iterable[Any]:
        rows: list[Any] = await pool.fetch(sql, *values)
        return rows

    try:
        yield fetch
    finally:
        await pool.close()


@asynccontextmanager
async def _sqlite(database: str) -> AsyncGenerator[Fetch]:
    connection: sqlite3.Connection = sqlite(database)

    async def fetch(sql: str, values: list[Any]) -> Iterable[Any]:
        # sqlite3 takes named parameters $1, $2 as a mapping; `?1` takes them by place.
        return connection.execute(sql.replace("$", "?"), values).fetchall()

    try:
        yield fetch
    finally:
        connection.close()


def make_empty() -> ASGIApp:
    """Make what reads a POST and answers nothing: the least that a request costs."""

    async def nothing(request: Request) -> Response:
        await request.body()
        return Response()

    return Starlette(routes=[Route("/graphql", nothing, methods=["POST"])])
