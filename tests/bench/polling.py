"""Two thousand sources in one process, most of which have nothing new; and one that has a lot."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
import orjson

from hub.bus.local import LocalBus
from hub.http import Clients
from hub.ingest import Plan
from hub.jobs.local import LocalWaker
from hub.lease import LEASE
from hub.poll import Poller
from hub.signals import now
from hub.snapshot import put_in_force
from hub.store import open_store
from hub.store.sources import claim_one
from tests.bench.children import child
from tests.bench.databases import Databases
from tests.bench.measured import Result, median, rounded, spread
from tests.bench.vendor import RECORDS
from tests.engines import free_port
from tests.ledger import TOKEN, ledger_config

SOURCES = 2000
LAG_GOAL = 5.0  # seconds
_MEBIBYTE = 1024 * 1024
ANSWERS_AFTER = 100  # milliseconds that a vendor takes for a page of a hundred records
PAGES = 20


async def bench_sources(engine: str, places: Databases, seconds: float) -> Result:
    """Poll two thousand sources every minute, and note how late each poll begins."""
    async with _vendor() as vendor:
        url = await places.new(engine)
        async with child("tests.bench.poller", url, vendor, str(SOURCES), str(seconds)) as hub:
            told = await hub.answer()
    if told["failed"]:
        raise RuntimeError(f"{told['failed']} polls failed")
    return Result(
        name=f"sources_{engine}",
        value=rounded(told["p99"]),
        unit="s late, p99",
        baseline=f"{LAG_GOAL:g} s",
        ratio=rounded(told["p99"] / LAG_GOAL),
        better="lower",
        goal=1.0,
        runs=told["polls"],
        detail={
            "p50_s": rounded(told["p50"]),
            "most_s": rounded(told["max"]),
            "polls_per_s": rounded(told["per_second"]),
            "share_of_a_core": rounded(told["cpu_share"]),
            "cpu_ms_per_poll": rounded(told["cpu_ms_per_poll"]),
            "memory_mib": rounded(told["memory"] / _MEBIBYTE),
            "memory_goal_mib": 600,
            "first_poll_of_all_s": rounded(told["first"]),
            "sources": f"{SOURCES}, every 60 s: 304, an empty list, 1 of 50 with something new",
        },
    )


async def bench_busy(engine: str, places: Databases, runs: int) -> Result:
    """Read the pages of one source to their end, by turns with a bare loop over the same ones."""
    ours: list[float] = []
    raw: list[float] = []
    async with _vendor() as vendor:
        pages = f"{vendor}/pages/{PAGES * RECORDS}/{ANSWERS_AFTER}"
        for _ in range(2 + runs):
            raw.append(await _loop(pages))
            ours.append(await _poll(pages, await places.new(engine)))
    speed, raw_speed = (PAGES * RECORDS / median(times) for times in (ours, raw))
    return Result(
        name=f"busy_source_{engine}",
        value=rounded(speed),
        unit="records/s",
        baseline="raw httpx2 loop",
        ratio=rounded(speed / raw_speed),
        goal=0.6,
        runs=len(ours),
        detail={
            "range": spread(PAGES * RECORDS / took for took in ours),
            "baseline_per_s": rounded(raw_speed),
            "pages": f"{PAGES} of {RECORDS} records, each answered after {ANSWERS_AFTER} ms",
        },
    )


async def _loop(pages: str) -> float:
    began = time.perf_counter()
    after, more = 0, True
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        while more:
            answer = await client.get(f"{pages}/records", params={"after": after})
            read = orjson.loads(answer.content)
            after, more = read["after"], read["more"]
    return time.perf_counter() - began


async def _poll(pages: str, url: str) -> float:
    config = ledger_config(pages)
    async with open_store(url) as store, Clients() as clients:
        plan: Plan = (await put_in_force(store, config)).snapshot.plan
        async with store.write() as connection:
            standing = await claim_one(connection, "ledger", now(), LEASE)
        assert standing is not None
        poller = Poller(store, clients, LocalBus(), LocalWaker())
        began = time.perf_counter()
        report = await poller.poll(config.sources["ledger"], standing, lambda: plan)
        took = time.perf_counter() - began
    assert report.error is None, report.error
    assert report.signals == PAGES * RECORDS, report
    return took


@asynccontextmanager
async def _vendor() -> AsyncGenerator[str]:
    port = free_port()
    async with child("tests.bench.vendor", str(port)):
        url = f"http://127.0.0.1:{port}"
        async with httpx2.AsyncClient() as client, asyncio.timeout(30):
            while True:
                try:
                    await client.get(url)
                    break
                except httpx2.TransportError:
                    await asyncio.sleep(0.05)
        yield url
