"""A push at the door of the whole hub, beside a bare endpoint that inserts a row."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import httpx2
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.store.keys import new_key
from tests.bench.databases import Databases, sqlite
from tests.bench.measured import Result, median, rounded, spread
from tests.bench.query import serving
from tests.pushing import record, signed

WITHIN = 100.0  # milliseconds: what is promised to vendors, who give from a second to ten
WARM_UP = 10
REST = 0.03  # seconds, in which the hub reads what came: vendors send now and then, not in a row
_RAW = {"sqlite": "raw starlette + sqlite3", "postgres": "raw starlette + asyncpg"}


async def bench_push(engine: str, places: Databases, pushes: int) -> list[Result]:
    """Send pushes one after the other, in turns to the hub and to the bare endpoint."""
    times: Mapping[str, list[float]] = {"inbox": [], "bare": []}
    async with AsyncExitStack() as stack:
        clients = {}
        for name in times:
            one = await stack.enter_async_context(
                serving(name, await places.new(engine), new_key())
            )
            client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{one.port}")
            clients[name] = await stack.enter_async_context(client)
        for number in range(WARM_UP + pushes):
            for name, client in clients.items():
                took = await _push(client, number)
                if number >= WARM_UP:
                    times[name].append(took)
                await asyncio.sleep(REST)
    ours, bare = (median(times[name]) for name in ("inbox", "bare"))
    late = sorted(times["inbox"])[int(len(times["inbox"]) * 0.95)]
    return [
        Result(
            name=f"push_{engine}",
            value=rounded(ours),
            unit="ms",
            baseline=_RAW[engine],
            ratio=rounded(ours / bare),
            better="lower",
            goal=5.0,
            detail={
                "range": spread(times["inbox"]),
                "baseline_ms": rounded(bare),
                "baseline_range": spread(times["bare"]),
                "pushes": pushes,
                "what": "signed, verified, stored once and committed; the hub reads each meanwhile",
            },
        ),
        Result(
            name=f"push_{engine}_p95",
            value=rounded(late),
            unit="ms",
            baseline=f"{WITHIN:g} ms",
            ratio=rounded(late / WITHIN),
            better="lower",
            goal=1.0,
        ),
    ]


async def _push(client: httpx2.AsyncClient, number: int) -> float:
    body = orjson.dumps({"records": [record(number, f"Deal {number}")], "text": "x" * 2000})
    headers = {**signed(body), "X-Bell-Delivery": str(number)}
    began = time.perf_counter()
    answer = await client.post("/push/bell", content=body, headers=headers)
    took = (time.perf_counter() - began) * 1000
    assert answer.status_code == 200, answer.text
    return took


_TABLE = "CREATE TABLE IF NOT EXISTS bare (id TEXT PRIMARY KEY, source TEXT, body {bytes})"
_INSERT = "INSERT INTO bare VALUES ({0}1, {0}2, {0}3)"


def make_bare(database: str) -> Starlette:
    """Make an endpoint that writes the body of a request into a table, and commits."""
    insert: Callable[..., Awaitable[Any]]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        nonlocal insert
        async with (_sqlite if database.startswith("sqlite") else _postgres)(database) as insert:
            yield

    async def push(request: Request) -> Response:
        await insert(uuid.uuid4().hex, request.path_params["source"], await request.body())
        return Response()

    return Starlette(routes=[Route("/push/{source}", push, methods=["POST"])], lifespan=lifespan)


@asynccontextmanager
async def _postgres(database: str) -> AsyncGenerator[Callable[..., Awaitable[Any]]]:
    async with asyncpg.create_pool(database) as pool:
        await pool.execute(_TABLE.format(bytes="BYTEA"))

        async def insert(*values: Any) -> None:
            await pool.execute(_INSERT.format("$"), *values)

        yield insert


@asynccontextmanager
async def _sqlite(database: str) -> AsyncGenerator[Callable[..., Awaitable[Any]]]:
    connection = sqlite(database)
    connection.execute(_TABLE.format(bytes="BLOB"))

    async def insert(*values: Any) -> None:
        connection.execute(_INSERT.format("?"), values)

    try:
        yield insert
    finally:
        connection.close()
