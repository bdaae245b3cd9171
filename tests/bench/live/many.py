"""What many clients weigh, what many documents cost, what a few stuck clients do to others."""

import asyncio
from typing import Final

from hub.live.outlet import PATIENCE
from tests.bench.databases import Databases
from tests.bench.live.fanout import (
    CLIENTS,
    DOCUMENTS,
    HELD,
    QUERY,
    STUCK,
    new_hub,
    stream,
)
from tests.bench.measured import Result, rounded

MEGABYTE: Final = 1_000_000
MOST: Final = 250  # megabytes
MOST_CPU: Final = 1.0  # milliseconds
ENOUGH: Final = 800  # events that are more than the system's buffers and the hub's queue take
RESUMABLE: Final = QUERY.replace("subscription {", "subscription($after: String) {").replace(
    "signals {", "signals(after: $after) {"
)


async def bench_held(places: Databases) -> list[Result]:
    """Weigh thousands of clients that are connected, and what it took to have them."""
    url, key = await new_hub(places)
    async with stream("hub", url, key) as ours:
        await ours.connect(10)  # what is loaded by the first client is loaded
        idle = await ours.server.ask({})
        await ours.connect(HELD)
        held = await ours.server.ask({})
        told = await ours.run(2)
    weight = (held["memory"] - idle["memory"]) / MEGABYTE
    cpu = (held["cpu"] - idle["cpu"] - told.cpu / 2) / HELD * 1000
    return [
        Result(
            name="live_held",
            value=rounded(weight),
            unit="MB",
            baseline=f"{MOST} MB for {HELD} clients",
            ratio=rounded(weight / MOST),
            better="lower",
            goal=1,
            detail={"kilobytes_per_client": rounded(weight * 1000 / HELD)},
        ),
        Result(
            name="live_connect",
            value=rounded(cpu),
            unit="ms of CPU",
            baseline="1 ms to connect and subscribe",
            ratio=rounded(cpu / MOST_CPU),
            better="lower",
            goal=1,
        ),
    ]


async def bench_stuck(places: Databases) -> Result:
    """Let some of the clients read no more, while the others are told on and on.

    Each of them is told to go on from its cursor, and does: so it misses nothing in the end.
    """
    async with stream("hub", *await new_hub(places), "", "narrow") as ours:
        await ours.connect(CLIENTS, [RESUMABLE], narrow=STUCK)
        before = await ours.run(30, page=30)
        await ours.load.ask(["stick", {"count": STUCK}])
        during = [await ours.run(100, page=100) for _ in range(ENOUGH // 100)]
        await asyncio.sleep(PATIENCE + 1)
        weight = ((await ours.server.ask({}))["memory"] - before.memory) / MEGABYTE
        await ours.load.ask(["release", {}])
        after = await ours.run(1)
    if after.behind != STUCK:
        raise RuntimeError(f"{after.behind} of {STUCK} stuck clients were told to go on")
    rate = sorted(one.rate for one in during)[len(during) // 2]
    return Result(
        name="live_stuck",
        value=rounded(rate),
        unit="messages/s",
        baseline="before they stuck",
        ratio=rounded(rate / before.rate),
        goal=0.8,
        detail={
            "stuck": STUCK,
            "told to go on from their cursor, who then had every event once": after.behind,
            "megabytes_more": rounded(weight),
        },
    )


async def bench_documents(places: Databases, rounds: int) -> Result:
    """Tell as many clients by fifty documents, which are all executed, and by one."""
    queries = [QUERY.replace(" title", f" title t{number}: id") for number in range(DOCUMENTS)]
    async with (
        stream("hub", *await new_hub(places)) as one,
        stream("hub", *await new_hub(places)) as many,
    ):
        await one.connect(CLIENTS)
        await many.connect(CLIENTS, queries)
        runs = [(await one.run(20, page=20), await many.run(20, page=20)) for _ in range(rounds)]
    single = sorted(run.rate for run, _ in runs)[rounds // 2]
    rate = sorted(run.rate for _, run in runs)[rounds // 2]
    return Result(
        name="live_documents",
        value=rounded(rate),
        unit="messages/s",
        baseline="one document",
        ratio=rounded(rate / single),
        goal=0.5,
        runs=rounds,
        detail={
            "documents": DOCUMENTS,
            "cpu_us_per_message": rounded(runs[-1][1].cost),
            "one_cpu_us": rounded(runs[-1][0].cost),
        },
    )
