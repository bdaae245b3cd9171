"""A process of claimers: they claim, work, settle, dawdle and drop what they hold.

It tells of every row that it held from when until when, by the machine's monotonic clock.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

import orjson

import hub.lease
from hub.lease import Held
from hub.store import Store, open_store
from hub.store.clock import clock
from hub.store.deliveries import (
    Delivery,
    DeliveryState,
    claim_deliveries,
    prolong_deliveries,
    settle_delivery,
)
from hub.store.sources import Standing, State, claim_due, prolong, settle

LEASE = timedelta(seconds=0.5)
HEARTBEAT = 0.1  # seconds


@dataclass(frozen=True)
class Hold:
    """One row in one pair of hands: at least until `until`, when nobody else may have it."""

    row: str
    claim: str
    claimed: float
    until: float
    settled: bool | None  # None: dropped without a word, as by a worker that died
    beaten: bool = False  # kept by heartbeats for two leases
    done: bool = False  # nothing more is to be done about the row


@dataclass
class Claimer:
    store: Store
    chance: Random
    holds: list[Hold] = field(default_factory=list)
    fates: list[str] = field(default_factory=list)
    polls: Held[str] = field(default_factory=lambda: Held(prolong))
    sends: Held[int] = field(default_factory=lambda: Held(prolong_deliveries))

    async def poll(self, sources: Sequence[str], ends: float) -> None:
        while time.monotonic() < ends:
            began, most = time.monotonic(), self.chance.randint(1, 4)
            async with self.store.write() as connection:
                at = await clock(connection)
                claimed = await claim_due(connection, list(sources), at, LEASE, most)
            told = time.monotonic()
            await asyncio.gather(
                *(self.hold(self.polls, one.name, one.lease, one, began, told) for one in claimed)
            )
            await asyncio.sleep(self.chance.uniform(0, 0.02))

    async def send(self, endpoints: Sequence[str], ends: float) -> None:
        while time.monotonic() < ends:
            began, most = time.monotonic(), self.chance.randint(1, 4)
            async with self.store.write() as connection:
                at = await clock(connection)
                claimed = await claim_deliveries(connection, endpoints, at, LEASE, most, 100)
            told = time.monotonic()
            await asyncio.gather(
                *(self.hold(self.sends, one.id, one.attempt, one, began, told) for one in claimed)
            )
            await asyncio.sleep(self.chance.uniform(0, 0.02))

    def fate(self) -> str:
        """Draw from a pack, so that each fate has its turn however slow the machine is."""
        if not self.fates:
            self.fates = ["drop", "beat", "late", *["work"] * 5]
            self.chance.shuffle(self.fates)
        return self.fates.pop()

    async def hold(
        self,
        held: Held[Any],
        row: str,
        claim: Any,
        claimed: Standing | Delivery,
        began: float,
        told: float,
    ) -> None:
        """Work on a row for a moment, or beyond its lease, or let it fall."""
        fate, ends = self.fate(), began + LEASE.total_seconds()
        if fate == "drop":
            self.holds.append(Hold(row, str(claim), told, ends, None))
            return
        beaten = fate == "beat"
        if beaten:  # it keeps the row far beyond one lease
            with held.hold(row, claim):
                await asyncio.sleep(2 * LEASE.total_seconds())
                until, settled, done = await self.settle(claimed)
        else:
            least, most = (0.9, 1.3) if fate == "late" else (0, 0.04)
            await asyncio.sleep(LEASE.total_seconds() * self.chance.uniform(least, most))
            until, settled, done = await self.settle(claimed)
        if not (beaten and settled):
            until = min(until, ends)
        self.holds.append(Hold(row, str(claim), told, until, settled, beaten, done and settled))

    async def settle(self, claimed: Standing | Delivery) -> tuple[float, bool, bool]:
        """Settle, often as to be done again soon; say when this began, and how it ended."""
        until = time.monotonic()
        again = timedelta(seconds=self.chance.uniform(0, 0.05))
        async with self.store.write() as connection:
            at = await clock(connection)
            if isinstance(claimed, Standing):
                assert claimed.lease is not None
                outcome = {"state": State.OK, "next_poll_at": at + again}
                return until, await settle(connection, claimed.name, claimed.lease, outcome), False
            done = self.chance.random() < 0.1
            state = DeliveryState.DELIVERED if done else DeliveryState.PENDING
            due = None if done else at + again
            settled = await settle_delivery(connection, claimed, None, state, at, due)
            return until, settled, done


async def work(
    url: str, claimers: int, seconds: float, sources: list[str], endpoints: list[str], seed: int
) -> list[dict[str, Any]]:
    hub.lease.LEASE = LEASE
    hub.lease.HEARTBEAT = HEARTBEAT
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        store = await stack.enter_async_context(open_store(url))
        claiming = [Claimer(store, Random(f"{seed}/{n}")) for n in range(claimers)]
        beats = [
            tasks.create_task(held.beat(store))
            for one in claiming
            for held in (one.polls, one.sends)
        ]
        ends = time.monotonic() + seconds
        loops = [one.poll(sources, ends) for one in claiming]
        await asyncio.gather(*loops, *(one.send(endpoints, ends) for one in claiming))
        for beat in beats:
            beat.cancel()
    return [asdict(hold) for one in claiming for hold in one.holds]


if __name__ == "__main__":
    answer = asyncio.run(work(**orjson.loads(sys.stdin.readline())))
    sys.stdout.write(orjson.dumps(answer).decode() + "\n")
