"""The stream: one reader of the log per process, followed by any number of subscribers."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from hub import metrics
from hub.bus import Bus
from hub.errors import StoreUnavailable
from hub.store.log import Change

BATCH = 250  # less than a queue holds: one burst makes nobody read the log for itself
QUEUE = 256  # changes a follower may lag behind before it reads the log itself again
LOOK = 1.0  # seconds until the log is read without a hint

logger = logging.getLogger(__name__)

Read = Callable[[int, int], Awaitable[Sequence[Change]]]


class _Queue:
    """What the tail hands one follower; `lost` once it overflowed."""

    def __init__(self, *, is_subscriber: bool) -> None:
        self.is_subscriber = is_subscriber
        self.changes: deque[Change] = deque()
        self.lost = False
        self.ready = asyncio.Event()

    def put(self, changes: Sequence[Change]) -> None:
        if self.lost or len(self.changes) + len(changes) > QUEUE:
            self.lost = True
            self.changes.clear()
        else:
            self.changes.extend(changes)
        self.ready.set()


class Tail:
    """Reads the log once for everybody. `read(after, limit)` is the log; `bus` tells of growth."""

    def __init__(self, read: Read, head: Callable[[], Awaitable[int]], bus: Bus) -> None:
        self._read = read
        self._head = head
        self._bus = bus
        self._queues: set[_Queue] = set()
        self.recent: deque[Change] = deque(maxlen=BATCH)
        self.seq = 0

    @property
    def followers(self) -> int:
        """The subscribers: the process itself may follow too, and is not counted."""
        return sum(queue.is_subscriber for queue in self._queues)

    async def start(self) -> None:
        self.seq = await self._head()

    async def run(self) -> None:
        """Hand every change to every follower, until cancelled."""
        while True:
            seen = self._bus.count
            try:
                changes = await self._read(self.seq, BATCH)
            except StoreUnavailable as error:
                logger.warning("the log cannot be read", extra={"error": str(error)})
                changes = ()
            except Exception:
                # A stream that stopped for good would look like a company where nothing happens.
                logger.exception("the log could not be read; the stream goes on")
                changes = ()
            if changes:
                # No await between the two lines: who joins either has these or will replay them.
                self.seq = changes[-1].seq
                self.recent.extend(changes)
                for queue in self._queues:
                    queue.put(changes)
            else:
                await self._bus.wait(seen, LOOK)

    async def follow(
        self, after: int | None = None, *, is_subscriber: bool = True
    ) -> AsyncGenerator[Change]:
        """Yield every change after a number, without a gap or a repeat; from now without one.

        A follower that falls behind reads the log itself until it has caught up: no change is
        kept for it in memory beyond the bound of its queue.
        """
        position = self.seq if after is None else after
        while True:
            queue = _Queue(is_subscriber=is_subscriber)
            self._queues.add(queue)
            joined = self.seq
            try:
                while position < joined:
                    changes = await self._read(position, BATCH)
                    if not changes:
                        break
                    for change in changes:
                        yield change
                    position = changes[-1].seq
                while not queue.lost:
                    while queue.changes:
                        change = queue.changes.popleft()
                        if change.seq > position:
                            position = change.seq
                            yield change
                    queue.ready.clear()
                    if not queue.lost:
                        await queue.ready.wait()
                metrics.overtaken.inc()
            finally:
                self._queues.discard(queue)

    async def between(self, position: int, until: int) -> AsyncGenerator[Change]:
        """Yield every change after a number, up to another, out of the log itself."""
        while position < until:
            changes = await self._read(position, min(BATCH, until - position))
            for change in changes:
                if change.seq > until:
                    return
                yield change
            if not changes:
                return
            position = changes[-1].seq
