"""Finding the addresses of a host's name, once for each connection."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import httpcore2

from hub.http.guard import literal

Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]


class Names:
    """The system's resolver, in threads of its own.

    The loop's shared threads are few (uvloop has four): some names whose servers hang would hold
    up every other name, and whatever else runs there. Here a name that hangs holds one thread,
    however many are waiting for it.
    """

    def __init__(self, threads: int = 32) -> None:
        self._threads = ThreadPoolExecutor(threads, "hub-names")
        self._asked: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        key = (host, port)
        if (future := self._asked.get(key)) is None:
            future = asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)
            self._asked[key] = future
            future.add_done_callback(lambda done: self._settle(key, done))
        return await asyncio.shield(future)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _settle(self, key: tuple[str, int], done: asyncio.Future[list[str]]) -> None:
        del self._asked[key]
        if not done.cancelled():
            done.exception()  # those who waited have it, or have gone; either way it is known


async def resolve(resolver: Resolver, host: str, port: int, within: float) -> Sequence[str]:
    """Find every address of a host, or raise as a connection does."""
    if literal(host) is not None:
        return [host]
    try:
        async with asyncio.timeout(within):
            found = await resolver(host, port)
    except TimeoutError:
        raise httpcore2.ConnectTimeout from None
    except OSError as error:
        words = error.strerror or "no answer"
        raise httpcore2.ConnectError(f"cannot be found by its name ({words})") from None
    except UnicodeError:
        raise httpcore2.ConnectError("cannot be found by its name (not a name)") from None
    if not found:
        raise httpcore2.ConnectError("cannot be found by its name (no address)")
    return found


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))
