"""Hints and wake-ups through a real Redis, which comes and goes."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from hub import metrics
from hub.bus.redis import RedisBus
from hub.config import read_config
from hub.errors import ConfigError
from hub.jobs import Work
from hub.jobs.arq import ArqWaker
from hub.runtime import beside, open_runtime
from hub.settings import Settings
from tests.engines import Valkey
from tests.running import until


@pytest.fixture
def server() -> Generator[Valkey]:
    """Give a Redis that this test may stop."""
    with Valkey() as valkey:
        yield valkey


@asynccontextmanager
async def two_buses(url: str) -> AsyncGenerator[tuple[RedisBus, RedisBus]]:
    here, there = RedisBus(url), RedisBus(url)
    async with beside(here.run(), there.run()):
        await until(lambda: here.is_up and there.is_up)
        yield here, there


async def hint(here: RedisBus, there: RedisBus) -> float:
    """Tell on one bus and wait for it on the other; give the seconds that it took."""
    seen, began = there.count, time.monotonic()
    await here.tell()
    assert await there.wait(seen, 10) > seen
    return time.monotonic() - began


async def test_a_hint_reaches_other_processes_at_once(redis_url: str) -> None:
    async with two_buses(redis_url) as (here, there):
        await asyncio.sleep(0.1)  # the hints about the connections themselves
        assert await hint(here, there) < 0.5
        assert await hint(there, here) < 0.5


async def test_hints_stay_at_home_while_redis_is_away_and_travel_again(server: Valkey) -> None:
    async with two_buses(server.url) as (here, there):
        server.kill()
        await until(lambda: not here.is_up and not there.is_up)
        assert metrics.REGISTRY.get_sample_value("hub_redis_up", {"use": "bus"}) == 0
        seen, began = here.count, time.monotonic()
        await here.tell()
        assert time.monotonic() - began < 0.05  # whoever tells waits for nobody
        assert await here.wait(seen, 0) > seen
        assert await there.wait(there.count, 0.05) == there.count
        seen = there.count
        server.start()
        assert await there.wait(seen, 10) > seen  # what was missed is looked for
        await until(lambda: here.is_up and there.is_up)
        assert metrics.REGISTRY.get_sample_value("hub_redis_up", {"use": "bus"}) == 1
        await asyncio.sleep(0.1)
        assert await hint(here, there) < 0.5


async def test_a_connection_that_is_half_open_is_given_up(
    server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.bus.redis.QUIET", 0.3)
    async with two_buses(server.url) as (here, there):
        server.pause()
        try:
            await until(lambda: not here.is_up)
        finally:
            server.resume()
        await until(lambda: here.is_up and there.is_up)
        await asyncio.sleep(0.1)
        assert await hint(here, there) < 0.5


@asynccontextmanager
async def caller_and_worker(url: str) -> AsyncGenerator[tuple[ArqWaker, ArqWaker]]:
    caller, worker = ArqWaker(url), ArqWaker(url)
    async with beside(caller.run(), worker.listen()):
        yield caller, worker


async def call(caller: ArqWaker, worker: ArqWaker, row: str) -> float:
    """Call for a row and wait until the worker looks; give the seconds that it took."""
    began = time.monotonic()
    await caller.wake(Work.DELIVERY, [row])
    await worker.wait(Work.DELIVERY, 10)
    return time.monotonic() - began


async def test_a_worker_elsewhere_is_called_for_a_row(redis_url: str) -> None:
    async with caller_and_worker(redis_url) as (caller, worker):
        assert await call(caller, worker, "row:1") < 1
        assert await call(caller, worker, "row:2") < 1
    async with Redis.from_url(redis_url) as client:
        left = [key async for key in client.scan_iter("arq:job*")]
    assert left == []  # no job, and no result of one, is kept


async def test_calls_for_one_attempt_are_one_job(redis_url: str) -> None:
    caller = ArqWaker(redis_url)
    async with beside(caller.run()), Redis.from_url(redis_url) as client:
        for _ in range(3):
            await caller.wake(Work.POLL, ["crm:1"])
        await caller.wake(Work.POLL, ["crm:2"])
        await until(lambda: client.zcard("hub:wake"))
        await asyncio.sleep(0.2)
        assert await client.zrange("hub:wake", 0, -1) == [b"poll:crm:1", b"poll:crm:2"]


async def test_a_worker_outlives_redis_and_is_called_again(server: Valkey) -> None:
    async with caller_and_worker(server.url) as (caller, worker):
        assert await call(caller, worker, "row:1") < 1
        server.kill()
        began = time.monotonic()
        await caller.wake(Work.DELIVERY, ["row:2"])  # is lost: the worker sweeps meanwhile
        assert time.monotonic() - began < 0.05
        await asyncio.sleep(2.5)  # longer than arq's own worker bears
        server.start()
        await until(lambda: _is_called(caller, worker), within=20)
        assert await call(caller, worker, "row:3") < 1


async def _is_called(caller: ArqWaker, worker: ArqWaker) -> bool:
    await caller.wake(Work.DELIVERY, [f"try:{time.monotonic()}"])
    began = time.monotonic()
    await worker.wait(Work.DELIVERY, 0.5)
    return time.monotonic() - began < 0.5


async def test_many_processes_need_postgresql_and_an_address() -> None:
    settings = Settings.model_validate({"database": "sqlite://", "redis": "redis://127.0.0.1/0"})
    with pytest.raises(ConfigError, match="need PostgreSQL"):
        async with open_runtime(settings, read_config("", {})):
            pass
    with pytest.raises(ConfigError, match="HUB_REDIS is no address"):
        RedisBus("http://127.0.0.1")
    with pytest.raises(ConfigError, match="HUB_REDIS is no address"):
        ArqWaker("127.0.0.1:6379")
