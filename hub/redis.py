"""How a Redis is called: its address, its time limits, and what tells that it is away.

Neither hints nor wake-ups are worth waiting for: a server that does not answer is given up soon.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub.errors import ConfigError

AWAY = (RedisError, OSError)  # asyncio's TimeoutError is an OSError
AGAIN = 1.0  # seconds between two tries to connect

Client = TypeVar("Client", bound=Redis)


def open_redis(url: str, kind: type[Client]) -> Client:
    """Make a client; it connects when it is used. Raises ConfigError for what is no address."""
    try:
        client: Client = kind.from_url(url, socket_connect_timeout=2, socket_timeout=5)
    except ValueError as error:
        raise ConfigError(
            f"HUB_REDIS is no address of a Redis: {error}", "Write redis://host:6379/0"
        ) from None
    return client


def why(error: Exception) -> dict[str, str]:
    """Put an error beside a log line."""
    return {"error": f"{type(error).__name__}: {error}"}


async def insist(work: Coroutine[Any, Any, None]) -> None:
    """Run what reads from Redis so that it can be cancelled.

    redis-py (5.3) at times loses a cancellation that comes while it reads, about once in ten here:
    it is sent again until the work has ended.
    """
    task = asyncio.ensure_future(work)  # noqa: TID251 - waited for right here
    try:
        await asyncio.wait({task})
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=0.5)
    if not task.cancelled():
        task.result()
