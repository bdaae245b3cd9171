"""What happens to a page of drafts: `ingest()` reads as the sentence of the whole pipeline."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hub import metrics
from hub.bus import Bus
from hub.connector import Page
from hub.errors import StoreUnavailable
from hub.ingest.address import Plan, Target, address
from hub.ingest.age import leave_out_old
from hub.ingest.dedupe import dedupe
from hub.ingest.enrich import enrich
from hub.ingest.normalize import Reading, normalize
from hub.ingest.score import score
from hub.jobs import Waker, Work
from hub.signals import ChangeType, Signal
from hub.store import Connection, Store
from hub.store.clock import clock
from hub.store.quarantine import quarantine
from hub.store.sources import save_cursor

__all__ = [
    "Claim",
    "Ingested",
    "LeaseLost",
    "Plan",
    "Reading",
    "Target",
    "announce",
    "ingest",
    "ingest_within",
]


@dataclass(frozen=True, slots=True)
class Claim:
    """The lease under which a page was read: the page is stored only while it holds."""

    lease: str
    prolong: timedelta


class LeaseLost(StoreUnavailable):
    """Another worker has this source now; the page it stores is the one that counts."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a page.

    `deliveries`: the ids of those that are due now. `seq`: the last number of its changes.
    """

    source: str
    signals: tuple[Signal, ...]
    types: tuple[ChangeType, ...]  # of the signals, each at its place
    seen_before: int
    too_old: int  # new here, and older than the hub keeps such
    quarantined: int
    deliveries: tuple[str, ...]
    seq: int | None


async def announce(done: Ingested, bus: Bus, waker: Waker) -> None:
    """Say and count after the commit what a page brought: a longer log, deliveries that are due."""
    metrics.count_page(done.source, done.types, done.seen_before, done.quarantined)
    if done.seq is not None:
        await bus.tell()
    if done.deliveries:
        await waker.wake(Work.DELIVERY, [f"{id_}:1" for id_ in done.deliveries])


async def ingest(
    store: Store,
    reading: Reading,
    page: Page,
    plan: Plan,
    *,
    claim: Claim | None = None,
    at: datetime | None = None,
) -> Ingested:
    """Turn one page of drafts into stored, scored and addressed signals, or none of them.

    The caller announces what it gives back: so after the commit.
    Raises LeaseLost when another worker holds the source by now, StoreUnavailable.
    """
    async with store.write() as connection:
        at = at or await clock(connection)
        return await ingest_within(connection, reading, page, plan, at, claim=claim)


async def ingest_within(
    connection: Connection,
    reading: Reading,
    page: Page,
    plan: Plan,
    at: datetime,
    *,
    claim: Claim | None = None,
) -> Ingested:
    """Do it in a transaction that has more to do. Raises LeaseLost, which must undo it."""
    drafts, bad = normalize(page, reading)
    fresh, known = await dedupe(connection, reading.source, drafts)
    kept = leave_out_old(fresh, known, reading.source, plan, at)
    versions = await enrich(connection, kept, known, reading, at)
    scored = score(versions, plan.router, reading.notify_after)
    sent, seq = await address(connection, scored, plan, at)
    await quarantine(connection, reading.source, bad, at)
    if claim is not None and not await save_cursor(
        connection, reading.source, claim.lease, page.cursor, at + claim.prolong
    ):
        metrics.leases_lost.labels("poll").inc()
        raise LeaseLost(f"another worker took over {reading.source}")
    return Ingested(
        source=reading.source,
        signals=tuple(version.signal for version in versions),
        types=tuple(version.type for version in versions),
        seen_before=len(drafts) - len(fresh),
        too_old=len(fresh) - len(kept),
        quarantined=len(bad),
        deliveries=sent,
        seq=seq,
    )
