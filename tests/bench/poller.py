"""A hub that only polls, and tells how late its polls begin: a program of the benchmarks.

python -m tests.bench.poller DATABASE VENDOR SOURCES SECONDS
"""

import asyncio
import random
import sys
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import uvloop
from sqlalchemy import bindparam, update
from sqlmodel import col

from hub import registry
from hub.config import Config, SourceConfig, read_config
from hub.deliver import Sender
from hub.jobs import Work
from hub.poll import CurrentPlan, Poller, Report
from hub.runtime import Runtime, open_runtime
from hub.settings import Settings
from hub.signals import now
from hub.store.clock import clock
from hub.store.sources import Standing
from hub.store.tables import SourceRow
from hub.work import work
from tests.bench.serve import memory

EVERY = timedelta(seconds=60)
NEWS = 50  # one in so many brings something each time
FIRST_SECONDS = 600  # that the very first poll of all may take


class Timed:
    """Stands before the poller, and notes how long each poll was due when it began."""

    def __init__(self, poller: Poller) -> None:
        self.poller = poller
        self.lags: list[float] = []
        self.reports: list[Report] = []
        self._polled: set[str] = set()
        self._one_more = asyncio.Condition()

    async def poll(self, source: SourceConfig, standing: Standing, plan: CurrentPlan) -> Report:
        assert standing.next_poll_at is not None
        self.lags.append((now() - standing.next_poll_at).total_seconds())
        report = await self.poller.poll(source, standing, plan)
        self.reports.append(report)
        async with self._one_more:
            self._polled.add(source.name)
            self._one_more.notify_all()
        return report

    async def all_polled(self, number: int) -> None:
        """Wait until so many different sources have been polled."""
        async with self._one_more:
            await self._one_more.wait_for(lambda: len(self._polled) >= number)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.poller, name)

    def forget(self) -> None:
        self.lags.clear()
        self.reports.clear()


def sources(vendor: str, number: int) -> Config:
    """Configure so many sources: seven of ten answer 304, three an empty list, a few bring news."""
    rss, alertmanager = (registry.find(name).model_validate for name in ("rss", "alertmanager"))
    configured: dict[str, SourceConfig] = {}
    for at in range(number):
        if at % NEWS == 0:
            kind, connector = "rss", rss({"url": f"{vendor}/news/{at}"})
        elif at % 10 < 7:
            kind, connector = "rss", rss({"url": f"{vendor}/same/{at}"})
        else:
            kind, connector = "alertmanager", alertmanager({"url": f"{vendor}/alerts/{at}"})
        name = f"source-{at}"
        configured[name] = SourceConfig(
            name=name, kind=kind, connector=connector, every=EVERY, notify_after=now()
        )
    return replace(read_config("", {}), sources=configured)


async def spread_out(runtime: Runtime, timed: Timed) -> None:
    """Wait until all have been polled once; then let them fall due evenly, as on any later day."""
    names = runtime.config.sources.keys()
    async with asyncio.timeout(FIRST_SECONDS):
        await timed.all_polled(len(names))
    moved = (
        update(SourceRow)
        .where(col(SourceRow.name) == bindparam("source"))
        .values(next_poll_at=bindparam("due"))
    )
    async with runtime.store.write() as connection:
        at = await clock(connection)
        due = [{"source": name, "due": at + EVERY * random.random()} for name in names]
        await connection.execute(moved, due)
    await runtime.waker.wake(Work.POLL)  # it slept until what was due before


def _percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


async def run(database: str, vendor: str, number: int, seconds: float) -> dict[str, Any]:
    options: dict[str, Any] = {"database": database, "secret_key": "s" * 40}
    began = time.perf_counter()
    async with open_runtime(Settings(**options), sources(vendor, number)) as runtime:
        timed = Timed(runtime.poller)
        as_poller: Any = timed  # it is one in all that is asked of it
        runtime.poller = as_poller
        never: Any = None  # there are no endpoints
        loop = asyncio.create_task(
            work(runtime, Sender(runtime.store, runtime.clients, never, None))
        )
        await spread_out(runtime, timed)
        first = time.perf_counter() - began
        await asyncio.sleep(5)
        timed.forget()
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.sleep(seconds)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        lags, reports = list(timed.lags), list(timed.reports)
        loop.cancel()
        await asyncio.wait({loop})
    return {
        "first": first,
        "polls": len(lags),
        "failed": sum(report.error is not None for report in reports),
        "signals": sum(report.signals for report in reports),
        "p50": _percentile(lags, 0.5),
        "p99": _percentile(lags, 0.99),
        "max": max(lags),
        "per_second": len(lags) / wall,
        "cpu_share": cpu / wall,
        "cpu_ms_per_poll": cpu / len(lags) * 1000,
        "memory": memory(),
    }


def main(database: str, vendor: str, number: str, seconds: str) -> None:
    result = uvloop.run(run(database, vendor, int(number), float(seconds)))
    sys.stdout.write(orjson.dumps(result).decode() + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
