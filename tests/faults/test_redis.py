"""Redis goes, hangs, comes back empty: everything arrives, later meanwhile, at once after."""

import asyncio
from collections.abc import Callable
from statistics import median

import pytest

from tests.crash.stage import stage
from tests.engines import Postgres, Valkey
from tests.faults.watch import Watched, watched

pytestmark = pytest.mark.faults

AWAY = 8.0  # seconds
SOON = 2.0  # seconds: well under a sweep (5 s), on a busy machine too


async def lag(hub: Watched) -> float:
    return median([await hub.publish_lag(within=20) for _ in range(5)])


async def is_soon_again(hub: Watched) -> float:
    """Wait until latency is back, without a restart; give it."""
    async with asyncio.timeout(30):
        while await hub.publish_lag(within=20) > SOON:
            pass
    return await lag(hub)


async def test_redis_is_stopped_hangs_and_comes_back_empty_under_load() -> None:
    with Postgres() as server, Valkey() as redis:
        ways: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
            "stopped": (redis.kill, redis.start),
            "hangs": (redis.pause, redis.resume),
        }
        async with stage(server.url, redis=redis.url) as around, watched(around, workers=2) as hub:
            async with around.writing():
                assert await lag(hub) < SOON
                for way, (away, back) in ways.items():
                    seen = len(around.home.log)
                    away()
                    try:
                        during = [await hub.publish_lag(within=20) for _ in range(2)]
                        await asyncio.sleep(AWAY)
                        assert (await hub.probe()).status_code == 200, "it can do its work"
                    finally:
                        back()
                    assert "Redis is away" in around.home.log[seen:], way
                    after = await is_soon_again(hub)
                    assert after < SOON, f"{way}: {during} s while away, {after} s after"
            await hub.ends_well()
