"""Questions to the database that probes and Prometheus ask: rarely, briefly, never cancelled."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from starlette.applications import Starlette

from hub.errors import StoreUnavailable
from hub.runtime import Runtime
from hub.store import log
from hub.store.schema import require_current
from hub.store.state import Watched, watched

KEEP = 1.0  # seconds that an answer holds: many who ask cost no more than one
WITHIN = 2.0  # seconds until who asks is told that the database does not answer
GIVEN_UP = 30.0  # seconds until a question is put anew: its connection may be dead
MOST = 3  # questions that were given up and may still hold a connection

T = TypeVar("T")


class Look(Generic[T]):
    """One question, asked once at a time, whoever asks.

    Who asks waits a moment and goes; the question goes on, since a statement that is cancelled
    half-way takes its connection with it.
    """

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._asked: asyncio.Future[T] | None = None
        self._at = 0.0
        self._given_up: set[asyncio.Future[T]] = set()

    async def __call__(self) -> T:
        """Give the answer. Raises StoreUnavailable when it does not come, or what it raised."""
        clock = asyncio.get_running_loop().time
        age = clock() - self._at
        asked = self._asked
        if asked is None or (asked.done() and age > KEEP):
            asked = self._put()
        elif not asked.done() and age > GIVEN_UP and len(self._given_up) < MOST:
            self._given_up.add(asked)
            asked.add_done_callback(self._given_up.discard)
            asked = self._put()
        done, _ = await asyncio.wait({asked}, timeout=WITHIN)
        if not done:
            raise StoreUnavailable(
                f"the database has not answered within {WITHIN:g} s", "See whether it is overloaded"
            )
        return asked.result()

    def _put(self) -> asyncio.Future[T]:
        self._at = asyncio.get_running_loop().time()
        self._asked = asyncio.ensure_future(self._ask())  # noqa: TID251 - outlives who asks
        self._asked.add_done_callback(_heard)
        return self._asked


def _heard(asked: asyncio.Future[T]) -> None:
    """Take note of an error that may come after everybody has gone."""
    if not asked.cancelled():
        asked.exception()


class Watch:
    """What one process asks its database about itself."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.ready = Look(self._ready)
        self.state = Look(self._state)

    async def _ready(self) -> None:
        await require_current(self._runtime.store, or_newer=True)
        async with self._runtime.store.read() as connection:
            await log.head(connection)
        self._runtime.store.require_writable()

    async def _state(self) -> Watched:
        config = self._runtime.config
        async with self._runtime.store.read() as connection:
            return await watched(connection, list(config.sources), list(config.endpoints))


def watch_of(app: Starlette) -> Watch:
    """Give the watch of an application that has a runtime; the first who asks makes it."""
    watch: Watch | None = getattr(app.state, "watch", None)
    if watch is None:
        watch = app.state.watch = Watch(app.state.runtime)
    return watch
