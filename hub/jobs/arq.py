"""Wake-ups between processes, by arq on Redis.

A job is tried once, keeps no result, and only makes one worker look at the database: losing it
costs until the next sweep. Its id names the row and the attempt, so that whoever calls twice for
the same is heard once. Why arq is trusted with no more: docs/decisions/0002.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

import orjson
from arq.connections import ArqRedis
from arq.worker import Worker, func

from hub import metrics
from hub.jobs import Work
from hub.jobs.local import LocalWaker
from hub.redis import AGAIN, AWAY, insist, open_redis, why

QUEUE = "hub:wake"
CALLS = 8  # for the rows of one page: so many workers look, and take what they have room for
EXPIRES = 60  # seconds: what is older was swept long since
UNSENT = 1000  # calls kept while Redis is slow; more would say nothing more

logger = logging.getLogger(__name__)


class ArqWaker:
    def __init__(self, url: str) -> None:
        self._url = url
        self._here = LocalWaker()
        self._calls: deque[tuple[Work, str]] = deque(maxlen=UNSENT)
        self._called = asyncio.Event()
        self._redis = _open(url)

    async def wake(self, work: Work, rows: Sequence[str] = ()) -> None:
        await self._here.wake(work)
        if rows:
            self._calls.extend((work, row) for row in rows[:CALLS])
            self._called.set()

    async def wait(self, work: Work, seconds: float) -> None:
        await self._here.wait(work, seconds)

    async def run(self) -> None:
        try:
            await insist(self._send())
        finally:
            await self._redis.aclose()

    async def _send(self) -> None:
        while True:
            if not self._calls:
                self._called.clear()
                await self._called.wait()
            work, row = self._calls.popleft()
            try:
                await self._redis.enqueue_job(
                    "look", work, _job_id=f"{work}:{row}", _queue_name=QUEUE, _expires=EXPIRES
                )
            except AWAY as error:
                logger.debug("workers were not called: they sweep", extra=why(error))
                self._calls.clear()

    async def listen(self) -> None:
        """Run arq's worker. It ends when Redis is away for a moment: then another is started."""
        was_there = True
        while True:
            redis = _open(self._url)
            worker = _worker(redis, self._look)
            try:
                await redis.ping()
                if not was_there:
                    logger.info("Redis is there: workers are called at once")
                was_there = True
                metrics.redis_up.labels("jobs").set(1)
                await insist(worker.async_run())
            except AWAY as error:
                if was_there:
                    logger.warning("Redis is away: work waits for the sweep", extra=why(error))
                was_there = False
                metrics.redis_up.labels("jobs").set(0)
            finally:
                await _end(worker)
                await redis.aclose()
            await asyncio.sleep(AGAIN)

    async def _look(self, context: dict[str, Any], work: str) -> None:
        del context
        await self._here.wake(Work(work))


def _worker(redis: ArqRedis, look: Any) -> Worker:
    return Worker(
        [func(look, name="look")],
        queue_name=QUEUE,
        redis_pool=redis,
        handle_signals=False,
        max_tries=1,
        max_jobs=100,
        job_timeout=10,
        keep_result=0,
        poll_delay=0.1,
        log_results=False,
        # An error of arq's own, kept as a result, is written as its words.
        job_serializer=partial(orjson.dumps, default=str),
        job_deserializer=orjson.loads,
    )


async def _end(worker: Worker) -> None:
    """End what arq's own `close` would end, which needs a Redis that answers."""
    tasks = [*worker.tasks.values(), *([worker.main_task] if worker.main_task else [])]
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=0.5)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # heard: that Redis was away is told already


def _open(url: str) -> ArqRedis:
    redis = open_redis(url, ArqRedis)
    redis.job_serializer = orjson.dumps
    redis.job_deserializer = orjson.loads
    return redis
