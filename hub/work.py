"""The loops: find what is due, claim it, do it. A row is the job; a wake-up only shortens waits."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

from hub.deliver import PER_ENDPOINT, Sender
from hub.errors import StoreUnavailable
from hub.jobs import Work
from hub.lease import LEASE
from hub.retention import Retention
from hub.runtime import Runtime
from hub.store.clock import clock
from hub.store.deliveries import Delivery, claim_deliveries, next_delivery_in
from hub.store.pushes import Push, claim_pushes, next_push_in
from hub.store.sources import Standing, claim_due, next_poll_in

POLLS = 32  # under way at once in one process
DELIVERIES = 64
READS = 16
SWEEP = 5.0  # seconds: the longest a due row waits when a wake-up is lost
DRAIN = 5.0  # seconds that work under way has when the process ends; then it is given back
PAUSE = 0.2  # seconds until what is due, but cannot be had, is looked at again
STORE_AWAY = 1.0  # seconds

logger = logging.getLogger(__name__)

Row = TypeVar("Row")


async def work(runtime: Runtime, sender: Sender) -> None:
    """Poll what is due, read what was pushed and deliver what is due, until cancelled.

    Then nothing more is begun: what is under way ends within DRAIN seconds or is given back.
    """
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(runtime.waker.listen())
        tasks.create_task(runtime.poller.beat())
        tasks.create_task(runtime.inbox.beat())
        tasks.create_task(sender.beat())
        tasks.create_task(Retention(runtime.store, runtime.bus, lambda: runtime.config).run())
        tasks.create_task(_polls(runtime).run())
        tasks.create_task(_reads(runtime).run())
        tasks.create_task(_sends(runtime, sender).run())


def _polls(runtime: Runtime) -> "_Loop[Standing]":
    async def due() -> timedelta | None:
        async with runtime.store.read() as connection:
            return await next_poll_in(connection, runtime.config.polled)

    async def claim(room: int) -> list[Standing]:
        names = runtime.config.polled
        async with runtime.store.write() as connection:
            return await claim_due(connection, names, await clock(connection), LEASE, room)

    async def poll(standing: Standing) -> None:
        source = runtime.config.sources.get(standing.name)
        if source is None:  # it went between the claim and now
            await runtime.poller.give_back(standing)
        else:
            await runtime.poller.poll(source, standing, lambda: runtime.snapshot.plan)

    return _Loop(runtime, Work.POLL, POLLS, due, claim, poll, runtime.poller.give_back)


def _reads(runtime: Runtime) -> "_Loop[Push]":
    async def due() -> timedelta | None:
        async with runtime.store.read() as connection:
            return await next_push_in(connection, list(runtime.config.sources))

    async def claim(room: int) -> list[Push]:
        names = list(runtime.config.sources)
        async with runtime.store.write() as connection:
            return await claim_pushes(connection, names, await clock(connection), LEASE, room)

    async def read(push: Push) -> None:
        source = runtime.config.sources.get(push.source)
        if source is None:  # it went between the claim and now
            await runtime.inbox.give_back(push)
        else:
            await runtime.inbox.read(push, source, lambda: runtime.snapshot.plan)

    return _Loop(runtime, Work.PUSH, READS, due, claim, read, runtime.inbox.give_back)


def _sends(runtime: Runtime, sender: Sender) -> "_Loop[Delivery]":
    async def due() -> timedelta | None:
        async with runtime.store.read() as connection:
            return await next_delivery_in(connection, runtime.config.sendable)

    async def claim(room: int) -> list[Delivery]:
        names = runtime.config.sendable
        async with runtime.store.write() as connection:
            at = await clock(connection)
            return await claim_deliveries(connection, names, at, LEASE, room, PER_ENDPOINT)

    async def send(delivery: Delivery) -> None:
        endpoint = runtime.config.endpoints.get(delivery.endpoint)
        if endpoint is None or endpoint.secret is None:  # it went between the claim and now
            await sender.give_back(delivery)
        else:
            await sender.attempt(delivery, endpoint)

    return _Loop(runtime, Work.DELIVERY, DELIVERIES, due, claim, send, sender.give_back)


@dataclass(slots=True)
class _Loop(Generic[Row]):
    """Claims due rows of one kind and works on so many at once."""

    runtime: Runtime
    work: Work
    most: int
    due: Callable[[], Awaitable[timedelta | None]]
    claim: Callable[[int], Awaitable[list[Row]]]
    do: Callable[[Row], Awaitable[None]]
    give_back: Callable[[Row], Awaitable[None]]
    under_way: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            step: asyncio.Task[float] | None = None
            try:
                while True:
                    step = tasks.create_task(self._step(tasks))
                    # Not broken off by the end: what was claimed is also begun, or given back.
                    wait = await asyncio.shield(step)
                    if wait > 0:
                        await self.runtime.waker.wait(self.work, wait)
            except asyncio.CancelledError:
                await self._drain(step)
                raise  # the group cancels what is left, and each gives its row back

    async def _step(self, tasks: asyncio.TaskGroup) -> float:
        """Start what is due; give the seconds until there may be more."""
        try:
            return await self._begin(tasks)
        except StoreUnavailable as error:
            logger.warning("work waits", extra={"work": self.work, "error": str(error)})
        except Exception:
            logger.exception("a loop failed and goes on", extra={"work": self.work})
        return STORE_AWAY

    async def _begin(self, tasks: asyncio.TaskGroup) -> float:
        due = await self.due()
        wait = SWEEP if due is None else min(SWEEP, due.total_seconds())
        room = self.most - len(self.under_way)
        if wait > 0 or room == 0:
            return wait if room else SWEEP
        rows = await self.claim(room)
        for row in rows:
            task = tasks.create_task(self._one(row))
            self.under_way.add(task)
            task.add_done_callback(self.under_way.discard)
        # Due, but not to be had: others are at it, or its endpoint has enough under way.
        return 0 if rows else PAUSE

    async def _drain(self, step: asyncio.Task[float] | None) -> None:
        if self.work is Work.POLL:
            self.runtime.poller.end()
        until = asyncio.get_running_loop().time() + DRAIN
        if step is not None:
            await asyncio.wait({step}, timeout=DRAIN)
        if self.under_way:
            await asyncio.wait(self.under_way, timeout=until - asyncio.get_running_loop().time())

    async def _one(self, row: Row) -> None:
        try:
            try:
                await self.do(row)
            except StoreUnavailable as error:
                await self._give_back(row, error)
        except Exception:
            # The row's lease ends and it is tried again; the loop outlives it.
            logger.exception("work failed", extra={"work": self.work})
        finally:
            await self.runtime.waker.wake(self.work)

    async def _give_back(self, row: Row, error: StoreUnavailable) -> None:
        """Free a row that the database kept from being settled, as soon as it is there again.

        Else everybody would wait for the end of the lease, though nobody is at it.
        """
        while True:
            logger.warning("work waits", extra={"work": self.work, "error": str(error)})
            await asyncio.sleep(STORE_AWAY)
            try:
                return await self.give_back(row)
            except StoreUnavailable as again:
                error = again
