"""Hints between processes, by Redis's publish and subscribe: while it is away they stay here.

A message says nothing but "look": many that are due at once become one, and whoever was cut off
looks when the connection is back.
"""

import asyncio
import logging

from redis.asyncio import Redis

from hub import metrics
from hub.bus.local import LocalBus
from hub.redis import AGAIN, AWAY, insist, open_redis, why

CHANNEL = "hub:grown"
QUIET = 5.0  # seconds without a message until the connection is asked whether it lives

logger = logging.getLogger(__name__)


class RedisBus:
    def __init__(self, url: str) -> None:
        self._here = LocalBus()
        self._untold = asyncio.Event()
        self._redis = open_redis(url, Redis)
        self.is_up = False

    @property
    def count(self) -> int:
        return self._here.count

    async def tell(self) -> None:
        await self._here.tell()
        self._untold.set()

    async def wait(self, seen: int, seconds: float) -> int:
        return await self._here.wait(seen, seconds)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(insist(self._listen()))
                tasks.create_task(insist(self._publish()))
        finally:
            await self._redis.aclose()

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except AWAY as error:
                if self.is_up:
                    logger.warning("Redis is away: screens follow a second late", extra=why(error))
                self.is_up = False
                metrics.redis_up.labels("bus").set(0)
            await asyncio.sleep(AGAIN)

    async def _hear(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(CHANNEL)
            if not self.is_up:
                logger.info("Redis is there: hints travel at once")
            self.is_up = True
            metrics.redis_up.labels("bus").set(1)
            await self._here.tell()  # what was told while nobody listened is in the log
            asked = False
            while True:
                message = await channel.get_message(timeout=QUIET)
                if message is not None:
                    asked = False
                    if message["type"] == "message":
                        await self._here.tell()
                elif asked:
                    raise ConnectionError(f"no answer for {QUIET:g} s")
                else:
                    asked = True
                    await channel.ping()

    async def _publish(self) -> None:
        while True:
            await self._untold.wait()
            self._untold.clear()
            try:
                await self._redis.publish(CHANNEL, "")
            except AWAY as error:
                # The listener says once that Redis is away; other processes look every second.
                logger.debug("a hint was not told", extra=why(error))
