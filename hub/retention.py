"""Retention: what was kept long enough goes, in batches that let everybody else write between."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from hub.bus import Bus
from hub.config import Config
from hub.errors import StoreUnavailable
from hub.lease import LEASE
from hub.route import facts_of
from hub.signals import ChangeType, now
from hub.store import Connection, Store, log
from hub.store.chores import (
    RETENTION,
    ChoreLease,
    claim_chore,
    next_chore_in,
    prolong_chore,
    settle_chore,
)
from hub.store.clock import clock
from hub.store.erase import (
    ACCOUNTS,
    PEOPLE,
    Cutoffs,
    Old,
    Owners,
    old_signals,
    remove_old_deliveries,
    remove_old_pushes,
    remove_old_raw,
    remove_signals,
    remove_strangers,
    still_old,
    strangers,
)
from hub.store.indexing import index_again
from hub.store.relevance import scores_of
from hub.store.sessions import remove_old_sessions
from hub.store.tokens import remove_old_tokens
from hub.store.turns import alone

EVERY = timedelta(hours=1)
UNUSED = timedelta(days=400)  # since a token was renewed
SIGNALS = 100  # deleted in one transaction, with all that hangs on them
BATCH = 500  # of other rows, which are less work
LOOK = 30.0  # seconds: the longest until a chore that became due is seen
START = 30.0  # seconds: a process that starts has what people wait for to do first
REST = 0.01  # seconds, at least, between two batches

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Removed:
    """How much went. `strangers`: accounts and people that no signal names any more."""

    signals: int = 0
    log: int = 0
    raw: int = 0
    deliveries: int = 0
    strangers: int = 0
    tokens: int = 0  # of sign-ins that are no longer configured
    sessions: int = 0  # that have ended
    finished: bool = True

    @property
    def anything(self) -> bool:
        counts = (self.signals, self.log, self.raw, self.deliveries, self.strangers)
        return any((*counts, self.tokens, self.sessions))


class _TakenOver(Exception):
    """Another process has the chore now."""


def cutoffs(config: Config, at: datetime) -> Cutoffs:
    """Say from which times on things are kept. Pure."""
    keep = config.retention
    longest_first = sorted(keep.kinds.items(), key=lambda one: len(one[0]), reverse=True)
    return Cutoffs(
        signals=at - keep.signals,
        log=at - keep.log,
        raw=at - keep.raw,
        deliveries=at - keep.deliveries,
        sources={one.name: at - one.keep for one in config.sources.values() if one.keep},
        kinds={pattern: at - age for pattern, age in longest_first},
    )


@dataclass(frozen=True, slots=True)
class Retention:
    """Deletes what is due. `config` gives the configuration that is in force at the time."""

    store: Store
    bus: Bus
    config: Callable[[], Config]

    async def run(self) -> None:
        """Do the chore whenever it is due and nobody else does it, until cancelled."""
        await asyncio.sleep(START)
        while True:
            wait = LOOK
            try:
                wait = await self._seconds_to_wait()
                if wait <= 0:
                    await self.once()
            except StoreUnavailable as error:
                logger.warning("retention waits", extra={"error": str(error)})
                wait = LOOK
            except Exception:
                logger.exception("retention failed and is tried again")
                wait = LOOK
            await asyncio.sleep(max(0.0, min(wait, LOOK)))

    async def _seconds_to_wait(self) -> float:
        async with self.store.read() as connection:
            return (await next_chore_in(connection, RETENTION)).total_seconds()

    async def once(self, *, due: bool = True) -> Removed | None:
        """Do the chore if it is due; None where it is not, or somebody else does it.

        Without `due` it is done now. Raises StoreUnavailable; then the lease ends by itself.
        """
        async with self.store.write() as connection:
            lease = await claim_chore(connection, RETENTION, LEASE, due=due)
        if lease is None:
            return None
        removed = Removed(finished=False)
        try:
            await self._remove(lease, removed)
            removed.finished = True
        except _TakenOver:
            logger.warning("another process took retention over")
        finally:
            # Cancelled or failed, it is due again at once: for another process, or this one.
            await self._settle(lease, EVERY if removed.finished else timedelta(0))
        if removed.anything:
            counts = {"signals": removed.signals, "log_lines": removed.log, "raw": removed.raw}
            counts |= {"deliveries": removed.deliveries, "strangers": removed.strangers}
            counts |= {"tokens": removed.tokens, "sessions": removed.sessions}
            logger.info("kept long enough: deleted", extra=counts)
        return removed

    async def _settle(self, lease: ChoreLease, wait: timedelta) -> None:
        async with self.store.write() as connection:
            await settle_chore(connection, RETENTION, lease, wait)

    async def _remove(self, lease: ChoreLease, removed: Removed) -> None:
        at = now()
        old = cutoffs(self.config(), at)
        place: Old | None = None
        while True:
            async with self.store.read() as connection:
                found = await old_signals(connection, old, place, SIGNALS)
            if not found:
                break
            place = found[-1]
            expire = partial(_expire, old=old, ids=[one.id for one in found], removed=removed)
            if await self._batch(lease, expire):
                await self.bus.tell()
        for owners in (ACCOUNTS, PEOPLE):
            await self._remove_strangers(lease, owners, removed)
        for name, remove, before in (
            ("deliveries", remove_old_deliveries, old.deliveries),
            ("raw", remove_old_raw, old.raw),
            ("raw", remove_old_pushes, old.raw),
            ("log", log.trim, old.log),
            ("tokens", remove_old_tokens, at - UNUSED),
            ("sessions", remove_old_sessions, at),
        ):
            remove_some = partial(remove, before=before, limit=BATCH)
            while done := await self._batch(lease, remove_some):
                setattr(removed, name, getattr(removed, name) + done)
        await index_again(self.store)  # what a version before this one stored beside it
        await self.store.forget_pages()

    async def _remove_strangers(self, lease: ChoreLease, owners: Owners, removed: Removed) -> None:
        place = ""
        while True:
            async with self.store.read() as connection:
                found = await strangers(connection, owners, place, BATCH)
            if not found:
                return
            place = found[-1]

            async def remove(connection: Connection, ids: list[str] = found) -> int:
                await alone(connection)
                return await remove_strangers(connection, owners, ids)

            removed.strangers += await self._batch(lease, remove)

    async def _batch(
        self, lease: ChoreLease, remove: Callable[[Connection], Awaitable[int]]
    ) -> int:
        """Delete a few rows in a transaction of their own, then rest as long as that took."""
        began = time.monotonic()
        async with self.store.write() as connection:
            done = await remove(connection)
            # Last: whoever stores a page may hasten the chore, at the end of its transaction.
            if not await prolong_chore(connection, RETENTION, lease, LEASE):
                raise _TakenOver
        await asyncio.sleep(max(REST, time.monotonic() - began))
        return done


async def _expire(connection: Connection, old: Cutoffs, ids: list[str], removed: Removed) -> int:
    """Delete signals, and write into the log that they are gone."""
    await alone(connection)
    signals = await still_old(connection, old, ids)
    if not signals:
        return 0
    ids = [one.id for one in signals]
    scores = await scores_of(connection, ids)
    removed.deliveries += await remove_signals(connection, ids)
    await log.erase_labels(connection, ids)
    first = await log.take_numbers(connection, len(signals))
    at = await clock(connection)
    await log.append(
        connection,
        [
            log.Change(seq, one.id, None, ChangeType.EXPIRED, at, was, replace(was, scores={}))
            for seq, one in enumerate(signals, first)
            for was in [replace(facts_of(one, scores.get(one.id)), labels=None)]
        ],
    )
    removed.signals += len(signals)
    return len(signals)
