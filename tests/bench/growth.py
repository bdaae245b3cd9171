"""Whether a process that ingests for long keeps what it has done with.

python -m tests.bench.growth URL, then on each line a number of drafts to ingest
"""

import asyncio
import sys
from itertools import islice
from pathlib import Path

import orjson

from tests.bench.children import child
from tests.bench.databases import Databases, Filled
from tests.bench.drafts import PAGE, pages
from tests.bench.ingest import pipeline
from tests.bench.measured import Result, rounded

_MEBIBYTE = 1024
PARTS = 5  # at whose ends memory is looked at


async def bench_growth(engine: str, places: Databases, drafts: int) -> Result:
    """Weigh a process that ingests after its warm-up, a fifth of the work, and at the end."""
    url = await places.new(engine)
    async with child("tests.bench.growth", url) as process:
        warm = await process.ask(drafts // PARTS)
        parts = [await process.ask(drafts // PARTS) for _ in range(PARTS)]
    most = max(parts, key=lambda part: part["own"])
    return Result(
        name=f"growth_{engine}",
        value=rounded(most["own"] / _MEBIBYTE),
        unit="MiB",
        baseline="after warm-up",
        ratio=rounded(most["own"] / warm["own"]),
        better="lower",
        goal=1.1,
        detail={
            "what": "RssAnon: pages of the mapped database file are the system's",
            "after_each_fifth_mib": [rounded(part["own"] / _MEBIBYTE) for part in [warm, *parts]],
            "resident_mib": [rounded(part["all"] / _MEBIBYTE) for part in [warm, *parts]],
            "signals": parts[-1]["signals"],
            "drafts": drafts // PARTS * (PARTS + 1),
            "promise": "flat over 200,000 signals: `make bench LONG=1` ingests that many",
        },
    )


async def _ingest(url: str) -> None:
    made = Filled(url, pages())
    async with pipeline(made) as work:
        for line in sys.stdin:
            await work.feed(islice(made.rest, int(line) // PAGE))
            answer = {**_memory(), "signals": made.signals}
            sys.stdout.write(orjson.dumps(answer).decode() + "\n")
            sys.stdout.flush()


def _memory() -> dict[str, int]:
    """Read how many KiB are resident, and how many of them are backed by no file."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    names = {"own": "RssAnon", "all": "VmRSS"}
    return {key: int(status[name].split()[0]) for key, name in names.items()}


if __name__ == "__main__":
    asyncio.run(_ingest(sys.argv[1]))
