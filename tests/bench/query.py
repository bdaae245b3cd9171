"""A page of signals over HTTP from the whole hub, beside a stock server and a hand-written one."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import httpx2

from hub.signals import now
from hub.store import log, open_store
from hub.store.keys import add_key, new_key
from tests.bench.children import Child, child
from tests.bench.databases import Databases
from tests.bench.ingest import filled
from tests.bench.measured import Result, median, rounded, spread
from tests.bench.page import DOCUMENT, DOCUMENTS, FILTERS, FIRST, ROLE, requests
from tests.engines import free_port

CONTENDERS = ("hub", "kept", "stock", "raw")
CONNECTIONS = 32
SECONDS = 1.0  # a volley
WARM_UP = 0.5
START_SECONDS = 30
_RAW = {"sqlite": "raw starlette + sqlite3", "postgres": "raw starlette + asyncpg"}


@dataclass(slots=True)
class Contender:
    port: int
    server: Child
    speeds: list[float] = field(default_factory=list)  # requests a second
    costs: list[float] = field(default_factory=list)  # processor seconds of the server a request
    halves: list[float] = field(default_factory=list)  # median milliseconds until the answer


async def bench_query(engine: str, places: Databases, rounds: int, signals: int) -> list[Result]:
    url = await filled(engine, places, signals)
    key = new_key()
    async with open_store(url) as store, store.write() as connection:
        await add_key(connection, key, name="bench", roles=[ROLE], at=now())
    async with AsyncExitStack() as stack:
        load = await stack.enter_async_context(child("tests.bench.load"))
        contenders = {
            name: await stack.enter_async_context(serving(name, url, key)) for name in CONTENDERS
        }
        await _same_answers(contenders, key)
        for one in contenders.values():
            await _volley(load, one, key, WARM_UP)
        for _ in range(rounds):
            for name, one in contenders.items():
                async with written_to(url) if name == "kept" else nullcontext():
                    await _measure(load, one, key)
        empty = await stack.enter_async_context(serving("empty", url, key))
        kept = contenders["kept"]
        repeated = {"hub": Contender(kept.port, kept.server), "empty": empty}
        for _ in range(rounds):
            for one in repeated.values():
                await _measure(load, one, key, alike=True)
    name = f"query_page_{engine}"
    while_written = {**contenders, "hub": kept}
    return [
        _result(engine, name, "stock strawberry", "stock", contenders, signals),
        _result(engine, f"{name}_raw", _RAW[engine], "raw", contenders, signals),
        _result(engine, f"{name}_kept", "stock strawberry", "stock", while_written, signals),
        _result(engine, f"{name}_repeated", "empty POST to starlette", "empty", repeated, signals),
    ]


@asynccontextmanager
async def written_to(url: str) -> AsyncGenerator[None]:
    """Commit something every tenth of a second: it ends every answer that is kept."""

    async def write() -> None:
        while True:
            async with store.write() as connection:
                await log.take_numbers(connection, 1)
            await asyncio.sleep(0.1)

    async with open_store(url) as store, asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(write())
        yield
        writing.cancel()


@asynccontextmanager
async def serving(contender: str, url: str, key: str) -> AsyncGenerator[Contender]:
    """Start a contender in a process of its own, and wait until it takes connections."""
    port = free_port()
    async with child("tests.bench.serve", contender, str(port), url, key) as server:
        async with asyncio.timeout(START_SECONDS):
            while not await _takes_connections(port):
                await server.ask()
                await asyncio.sleep(0.005)
        yield Contender(port, server)


async def _takes_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def _same_answers(contenders: Mapping[str, Contender], key: str) -> None:
    """Make sure that all do the same work: fifty signals, the same of every filter."""
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as client:
        for narrowed in FILTERS:
            answers: dict[str, Any] = {}
            for name, one in contenders.items():
                answer = await client.post(
                    f"http://127.0.0.1:{one.port}/graphql",
                    json={"query": DOCUMENT, "variables": {"filter": narrowed, "first": FIRST}},
                )
                answers[name] = answer.json()
            count = len(answers["raw"]["data"]["signals"]["edges"])
            if count != FIRST:
                raise RuntimeError(f"{narrowed} finds {count} signals, not {FIRST}")
            for name, answer in answers.items():
                if answer != answers["raw"]:
                    raise RuntimeError(f"{name} answers {narrowed} otherwise: {answer}"[:2000])


async def _volley(
    load: Child, one: Contender, key: str, seconds: float, *, alike: bool = False
) -> Any:
    asked = requests(one.port, key)
    return await load.ask(
        {
            "port": one.port,
            "connections": CONNECTIONS,
            "seconds": seconds,
            "requests": asked[:1] if alike else asked,
            "least": 0 if alike else 5000,
        }
    )


async def _measure(load: Child, one: Contender, key: str, *, alike: bool = False) -> None:
    before = await one.server.ask()
    done = await _volley(load, one, key, SECONDS, alike=alike)
    after = await one.server.ask()
    one.speeds.append(done["requests"] / done["seconds"])
    one.costs.append((after["cpu"] - before["cpu"]) / done["requests"])
    one.halves.append(done["p50_ms"])


def _result(
    engine: str,
    name: str,
    baseline: str,
    other: str,
    contenders: Mapping[str, Contender],
    signals: int,
) -> Result:
    ours, theirs = contenders["hub"], contenders[other]
    goals = {
        "stock": f"{15 if engine == 'sqlite' else 12} times stock strawberry",
        "raw": "0.75 of raw",
        "empty": "0.7 of an empty POST",
    }
    return Result(
        name=name,
        value=rounded(median(ours.speeds)),
        unit="requests/s",
        baseline=baseline,
        ratio=rounded(median(theirs.costs) / median(ours.costs)),
        runs=len(ours.speeds),
        detail={
            "ratio_of": "pages per processor time of the server process",
            "cpu_us_per_request": rounded(median(ours.costs) * 1e6),
            "cpu_us_range": spread(cost * 1e6 for cost in ours.costs),
            "p50_ms": rounded(median(ours.halves)),
            "baseline_requests_per_s": rounded(median(theirs.speeds)),
            "baseline_cpu_us_per_request": rounded(median(theirs.costs) * 1e6),
            "baseline_cpu_us_range": spread(cost * 1e6 for cost in theirs.costs),
            "baseline_p50_ms": rounded(median(theirs.halves)),
            "requests_ratio": rounded(median(ours.speeds) / median(theirs.speeds)),
            "signals": signals,
            "page": f"{FIRST} signals of 13 fields, as {ROLE}; "
            f"{len(DOCUMENTS)} documents with {len(FILTERS)} filters each",
            "caps_raised": "none: every limit is as in production",
            "connections": CONNECTIONS,
            "durability": "as in production" if engine == "sqlite" else "tests/engines.py",
            "later_goals": goals[other],
        },
    )
