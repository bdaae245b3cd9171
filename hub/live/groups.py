"""One execution for many: who asks the same, and sees alike, is told the same text.

A group follows the log once. Whoever joins it at another place is first told what came since,
out of what the group told just now or by an execution of its own, and joins where the group
stands: without a gap or a repeat, for between the comparison and the joining nobody has a turn.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import aclosing
from contextvars import Context
from time import monotonic
from typing import Final, Protocol

from hub import metrics
from hub.errors import StoreUnavailable
from hub.live.outlet import Line
from hub.live.told import Behind, Told

RECENT: Final = 256  # results that a group keeps for those who come a little later
RECENT_SECONDS: Final = 5.0  # no longer: what was erased, or closed to them, is told no more
NEAR: Final = 128  # changes that a group may begin before the end of the log
STORE_AWAY: Final = 1.0  # seconds until a group tries again

logger = logging.getLogger(__name__)


class Alone(Exception):
    """What is told depends on more than what the members have in common: there is no group."""


class Run(Protocol):
    """One execution. `place`: so far was the log looked at; None: it follows no log.

    `is_through`: it ended where it was to end, and not before.
    """

    place: int | None

    @property
    def is_through(self) -> bool: ...

    def told(self) -> AsyncGenerator[Told]:
        """Give the results. Raises Alone, and StoreUnavailable: to go on from `place` later."""


class Start(Protocol):
    def __call__(self, begins: int | None, until: int | None, cursor: str | None = None) -> Run:
        """Begin an execution after a place in the log. With another, it ends there.

        `cursor`: how a client wrote the first, to be looked at: it may be of a log that is gone.
        """


class Member:
    """One subscriber: its line, and the place in the log after which it is to be told.

    `cursor`: how its client wrote that place, until somebody has looked at it.
    """

    __slots__ = ("_error", "_left", "cursor", "line", "place")

    def __init__(self, line: Line, place: int | None, cursor: str | None = None) -> None:
        self.line = line
        self.place = place
        self.cursor = cursor
        self._left: asyncio.Future[bool] | None = None
        self._error: Exception | None = None

    def joins(self) -> "asyncio.Future[bool]":
        """Begin to wait until it leaves; True: to come again."""
        if (error := self._error) is not None:
            self._error = None
            raise error
        self._left = asyncio.get_running_loop().create_future()
        return self._left

    def leaves(self, error: Exception | None = None, *, comes_again: bool = False) -> None:
        """Let it leave its group, with an error: now, or instead of joining one."""
        if self._left is None or self._left.done():
            self._error = error
        elif error is None:
            self._left.set_result(comes_again)
        else:
            self._left.set_exception(error)


class _Recent:
    """What was told in the last seconds: all of it that came after `after`."""

    def __init__(self, after: int) -> None:
        self.after = after
        self._kept: deque[tuple[float, int, Told]] = deque()

    def keep(self, seq: int, told: Told) -> None:
        if len(self._kept) == RECENT:
            self._drop()
        self._kept.append((monotonic(), seq, told))

    def since(self, place: int) -> list[tuple[int, Told]] | None:
        """Give what came after a place; None where some of it is not kept."""
        old = monotonic() - RECENT_SECONDS
        while self._kept and self._kept[0][0] < old:
            self._drop()
        if place < self.after:
            return None
        return [(seq, told) for _, seq, told in self._kept if seq > place]

    def _drop(self) -> None:
        _, self.after, _ = self._kept.popleft()


class Group:
    """`place`: where it is to begin; None where it follows no log."""

    def __init__(self, start: Start, place: int | None) -> None:
        self._start = start
        self._began = place
        self._members: set[Member] = set()
        self._task: asyncio.Task[None] | None = None
        self._run: Run | None = None
        self._recent = _Recent(place or 0)
        self.served = 0
        self.is_over = False

    @property
    def place(self) -> int | None:
        return self._began if self._run is None else self._run.place

    async def serve(self, member: Member, head: int) -> bool:
        """Tell a member until the stream ends, or the group: then True. Raises Behind, Alone."""
        near = member.place is not None and head - NEAR <= member.place <= head
        if self._task is None and near and member.cursor is None:
            # Those who come with it share what it missed.
            self._began, self._recent = member.place, _Recent(member.place or 0)
        while True:
            if not await self._catch_up(member):
                return False
            if self.is_over:
                return True
            left = member.joins()
            self._members.add(member)
            if self._task is None:
                # It is nobody's: what is noted of the request of the first is not about it.
                self._task = asyncio.create_task(self._go(), context=Context())  # noqa: TID251
            try:
                if not await left:
                    return False
            finally:
                self._members.discard(member)
            metrics.overtaken.inc()
            if member.place is None:
                raise Behind(None)
            await member.line.drained()

    async def _catch_up(self, member: Member) -> bool:
        """Tell a member what came since; False where the stream ended with that."""
        while (place := member.place) is not None and (stands := self.place) is not None:
            is_known = member.cursor is None
            if place >= stands and is_known:
                break
            recent = self._recent.since(place) if is_known else None
            if recent is not None:
                for seq, told in recent:
                    await member.line.send(told)
                    member.place = seq
            else:
                stands = max(place, stands)
                run = self._start(place, stands, member.cursor)
                async with aclosing(run.told()) as results:
                    async for told in results:
                        await member.line.send(told)
                        member.place = told.seq or member.place
                if not run.is_through:
                    return False
            member.place, member.cursor = stands, None
        return True

    async def _go(self) -> None:
        error: Exception | None = None
        try:
            while True:
                self._run = self._start(self.place, None)
                try:
                    async with aclosing(self._run.told()) as results:
                        async for told in results:
                            self._tell(self._run, told)
                            await asyncio.sleep(0)  # who has to wait for its client has a turn
                except StoreUnavailable as away:
                    logger.warning("a stream waits", extra={"error": str(away)})
                    await asyncio.sleep(STORE_AWAY)
                else:
                    return
        except Exception as failed:  # noqa: BLE001 - each member meets it
            error = failed
        finally:
            self.is_over = True
            for member in self._members:
                member.place = _later(member.place, self.place)
                member.leaves(error)

    def _tell(self, run: Run, told: Told) -> None:
        """Tell all at once: without an await, so all of them stand where the group stands."""
        before, seq = run.place, told.seq
        overtaken = []
        for member in self._members:
            if seq is not None and member.place is not None and seq <= member.place:
                continue  # it was ahead
            if not member.line.put(told):
                overtaken.append(member)
        for member in overtaken:
            self._members.discard(member)
            member.place = _later(member.place, before)
            member.leaves(comes_again=True)
        if seq is not None:
            run.place = seq
            self._recent.keep(seq, told)

    def stop(self) -> None:
        self.is_over = True
        if self._task is not None:
            self._task.cancel()


def _later(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else max(one, other)


class Groups:
    """Every group of a process. `head` says how far its log has been read."""

    def __init__(self, head: Callable[[], int]) -> None:
        self.head = head
        self._groups: dict[Hashable, Group] = {}

    def __len__(self) -> int:
        return len(self._groups)

    async def serve(self, key: Hashable, start: Start, member: Member) -> None:
        """Tell a member what the group of this key is told, until the stream ends.

        Raises Behind where the client takes nothing, Alone where there can be no such group.
        """
        metrics.subscribers.inc()
        try:
            while await self._serve(key, start, member):
                pass
        finally:
            metrics.subscribers.dec()

    async def _serve(self, key: Hashable, start: Start, member: Member) -> bool:
        head = self.head()
        group = self._groups.get(key)
        if group is None or group.is_over:
            group = self._groups[key] = Group(start, None if member.place is None else head)
        group.served += 1
        try:
            return await group.serve(member, head)
        finally:
            group.served -= 1
            if not group.served:
                group.stop()
                if self._groups.get(key) is group:
                    del self._groups[key]
