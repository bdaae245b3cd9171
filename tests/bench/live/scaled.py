"""Subscribers of two web processes, with PostgreSQL and Redis: each event to each of them, once."""

from typing import Final

from tests.bench.databases import Databases
from tests.bench.live.fanout import PACE, new_hub, stream
from tests.bench.measured import Result, rounded
from tests.engines import Valkey

EVENTS: Final = 20


async def bench_scaled(places: Databases, clients: int) -> Result:
    """Publish in one of two processes; the other hears of it by Redis, and reads the same log."""
    url, key = await new_hub(places, "postgres")
    with Valkey() as redis:
        async with (
            stream("hub", url, key, redis.url) as one,
            stream("hub", url, key, redis.url) as other,
        ):
            await one.connect(clients // 2, others=[other])
            burst = await one.runs(EVENTS, page=EVENTS, others=[other])
            paced = await one.runs(EVENTS, every=4 * PACE, others=[other])
    heard = sum(run.messages for run in burst + paced)
    if heard != clients * 2 * EVENTS:
        raise RuntimeError(f"{heard} messages for {clients * 2 * EVENTS}")
    seconds = max(run.seconds for run in burst)
    return Result(
        name="live_scaled",
        value=rounded(sum(run.messages for run in burst) / seconds),
        unit="messages/s",
        detail={
            "subscribers": clients,
            "processes": 2,
            "events": 2 * EVENTS,
            "heard by each subscriber, once": heard // clients,
            "cpu_us_per_message": [rounded(run.cost) for run in burst],
            "p99_ms_paced": [rounded(run.p99) for run in paced],
        },
    )
