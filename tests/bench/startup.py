"""What it takes until the hub is there, and how much it keeps while nothing happens."""

import asyncio
import resource
import sys
import time

import httpx2

from hub.store.keys import new_key
from tests.bench.children import child
from tests.bench.databases import Databases
from tests.bench.measured import Cost, Result, median, rounded, spread
from tests.engines import free_port

READY_SECONDS = 60
IDLE_SECONDS = 2.0
_MEBIBYTE = 1024 * 1024


async def bench_import(runs: int) -> Result:
    """Time an interpreter that imports the whole hub, beside one that does nothing."""
    ours: list[Cost] = []
    bare: list[Cost] = []
    for _ in range(runs):
        ours.append(await _python("import hub.web.app"))
        bare.append(await _python("pass"))
    took, nothing = (median(cost.wall for cost in costs) * 1000 for costs in (ours, bare))
    return Result(
        name="startup_import",
        value=rounded(took),
        unit="ms",
        baseline="raw python -c pass",
        ratio=rounded(took / nothing),
        better="lower",
        runs=runs,
        detail={
            "range": spread(cost.wall * 1000 for cost in ours),
            "cpu_ms": rounded(median(cost.cpu for cost in ours) * 1000),
            "baseline_ms": rounded(nothing),
        },
    )


async def bench_ready(places: Databases, runs: int) -> Result:
    """Time an embedded hub on a migrated, empty database until /readyz says ok."""
    url = await places.new("sqlite")
    times: list[float] = []
    for _ in range(runs):
        port = free_port()
        began = time.perf_counter()
        async with child("tests.bench.serve", "hub", str(port), url, new_key()):
            await _ready(port)
            times.append((time.perf_counter() - began) * 1000)
    return Result(
        name="startup_ready",
        value=rounded(median(times)),
        unit="ms",
        better="lower",
        runs=runs,
        detail={"range": spread(times), "database": "SQLite, migrated and empty"},
    )


async def bench_memory(places: Databases, runs: int) -> Result:
    """Weigh an embedded hub that has nothing to do."""
    url = await places.new("sqlite")
    resident: list[float] = []
    for _ in range(runs):
        port = free_port()
        async with child("tests.bench.serve", "hub", str(port), url, new_key()) as server:
            await _ready(port)
            await asyncio.sleep(IDLE_SECONDS)
            resident.append((await server.ask())["memory"] / _MEBIBYTE)
    return Result(
        name="startup_memory",
        value=rounded(median(resident)),
        unit="MiB",
        better="lower",
        runs=runs,
        detail={"range": spread(resident), "what": "resident set, polls and deliveries running"},
    )


async def _python(code: str) -> Cost:
    began, used = time.perf_counter(), _used_by_children()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    if await process.wait():
        raise RuntimeError(f"python -c {code!r} failed")
    return Cost(time.perf_counter() - began, _used_by_children() - used)


def _used_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _ready(port: int) -> None:
    async with httpx2.AsyncClient(timeout=5) as client, asyncio.timeout(READY_SECONDS):
        while True:
            try:
                answer = await client.get(f"http://127.0.0.1:{port}/readyz")
            except httpx2.TransportError:
                await asyncio.sleep(0.005)
                continue
            if answer.status_code == 200:
                return
            raise RuntimeError(f"/readyz says {answer.status_code}: {answer.text}")
