"""Measures the hub against baselines: prints a table, writes build/bench.json.

python -m tests.bench [--only ingest,query] [--long]
"""

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.databases import BUILD, Databases, databases
from tests.bench.growth import bench_growth
from tests.bench.ingest import bench_ingest
from tests.bench.live.fanout import bench_fanout
from tests.bench.live.many import bench_documents, bench_held, bench_stuck
from tests.bench.live.scaled import bench_scaled
from tests.bench.measured import Result, calibration, table
from tests.bench.plans import bench_plans
from tests.bench.polling import bench_busy, bench_sources
from tests.bench.pushing import bench_push
from tests.bench.query import bench_query
from tests.bench.routing import bench_routing
from tests.bench.scale import bench_scale
from tests.bench.startup import bench_import, bench_memory, bench_ready

OUTPUT = BUILD / "bench.json"


@dataclass(frozen=True, slots=True)
class Effort:
    """How often and on how much: enough for a glance, or for figures to rely on."""

    runs: int
    rounds: int
    signals: int
    steady: int  # drafts that one process ingests
    full: int = 1_000_000  # signals of a full database
    watched: float = 180  # seconds that many sources are watched being polled
    subscribers: int = 10_000  # of two processes


# A full database is cloned for minutes on a slow machine: for a glance a fifth of it will do.
SHORT = Effort(
    runs=1, rounds=4, signals=10_000, steady=20_000, full=200_000, watched=30, subscribers=1000
)
LONG = Effort(runs=5, rounds=15, signals=100_000, steady=200_000)

Bench = Callable[[Databases, Effort], Awaitable[Result | list[Result]]]


async def _routing(_: Databases, effort: Effort) -> Result:
    return bench_routing(2 + effort.runs)


# By name, in the order in which they run: queries go on with the signals that ingest left.
BENCHES: dict[str, Bench] = {
    "startup_import": lambda _, effort: bench_import(1 + effort.runs),
    "startup_ready": lambda places, effort: bench_ready(places, effort.runs),
    "startup_memory": lambda places, effort: bench_memory(places, effort.runs),
    "routing": _routing,
    "ingest_sqlite": lambda places, effort: bench_ingest("sqlite", places, effort.runs),
    "ingest_postgres": lambda places, effort: bench_ingest("postgres", places, effort.runs),
    "growth_sqlite": lambda places, effort: bench_growth("sqlite", places, effort.steady),
    "growth_postgres": lambda places, effort: bench_growth("postgres", places, effort.steady),
    "busy_source_sqlite": lambda places, effort: bench_busy("sqlite", places, effort.runs),
    "busy_source_postgres": lambda places, effort: bench_busy("postgres", places, effort.runs),
    "sources_sqlite": lambda places, effort: bench_sources("sqlite", places, effort.watched),
    "sources_postgres": lambda places, effort: bench_sources("postgres", places, effort.watched),
    "push_sqlite": lambda places, effort: bench_push("sqlite", places, 100 * effort.runs),
    "push_postgres": lambda places, effort: bench_push("postgres", places, 100 * effort.runs),
    "live_fanout": lambda places, effort: bench_fanout(places, 1 + 2 * effort.runs),
    "live_held": lambda places, _: bench_held(places),
    "live_stuck": lambda places, _: bench_stuck(places),
    "live_documents": lambda places, effort: bench_documents(places, 1 + 2 * effort.runs),
    "live_scaled": lambda places, effort: bench_scaled(places, effort.subscribers),
    "query_page_sqlite": lambda places, effort: bench_query(
        "sqlite", places, effort.rounds, effort.signals
    ),
    "query_page_postgres": lambda places, effort: bench_query(
        "postgres", places, effort.rounds, effort.signals
    ),
    "scale_sqlite": lambda places, effort: bench_scale(
        "sqlite", places, 20 * effort.runs, effort.full
    ),
    "scale_postgres": lambda places, effort: bench_scale(
        "postgres", places, 20 * effort.runs, effort.full
    ),
    "plans_sqlite": lambda places, effort: bench_plans("sqlite", places, effort.full),
    "plans_postgres": lambda places, effort: bench_plans("postgres", places, effort.full),
}


def chosen(only: str) -> dict[str, Bench]:
    """Choose by names or their beginnings, separated by commas. Raises ValueError for neither."""
    wanted = [name for name in only.split(",") if name]
    for name in wanted:
        if not any(known.startswith(name) for known in BENCHES):
            raise ValueError(f"no benchmark begins with {name!r}; there are: {', '.join(BENCHES)}")
    return {
        name: bench
        for name, bench in BENCHES.items()
        if not wanted or any(name.startswith(one) for one in wanted)
    }


async def measure(benches: dict[str, Bench], effort: Effort) -> list[Result]:
    results: list[Result] = []
    async with databases() as places:
        for name, bench in benches.items():
            sys.stderr.write(f"{name} ...\n")
            found = await bench(places, effort)
            results += found if isinstance(found, list) else [found]
    return results


def save(results: Sequence[Result], path: Path) -> None:
    path.write_text(json.dumps([one.row() for one in results], indent=1) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.bench", description="Measure against baselines.")
    parser.add_argument("--only", default="", help="names or their beginnings: ingest,query_page")
    parser.add_argument("--long", action="store_true", help="more runs on more signals: minutes")
    given = parser.parse_args(arguments)
    try:
        benches = chosen(given.only)
    except ValueError as error:
        parser.error(str(error))
    first = calibration()
    results = asyncio.run(measure(benches, LONG if given.long else SHORT))
    last = calibration()
    sys.stdout.write(
        f"{table(results)}\n"
        f"calibration, a million turns of a loop: {first:g} ms before, {last:g} ms after\n"
    )
    machine = {
        "calibration_ms": [first, last],
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    save([one.with_detail(machine=machine) for one in results], OUTPUT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
