"""How a Redis is called: its address, its time limits, and what tells that it is away.

Neither hints nor wake-ups are worth waiting for: a server that does not answer is given up soon.
"""

from typing import TypeVar

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
