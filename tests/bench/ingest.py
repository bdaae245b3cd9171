"""The whole pipeline, page after page as polls bring them, against its rows by executemany."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from hub.config import Config, read_config
from hub.connector import Page
from hub.ingest import Claim, Plan, Reading, Target, ingest
from hub.poll import LEASE
from hub.route import Router
from hub.signals import now
from hub.store import Store, open_store
from hub.store.deliveries import declare_endpoints
from hub.store.sources import claim_due, declare, declare_hub, settle
from tests.bench.databases import Databases, Filled, rest
from tests.bench.drafts import PAGE, SOURCES, START, Written, pages
from tests.bench.measured import Clock, Cost, Result, median, rounded, spread
from tests.bench.rows import read_pages, write_pages

DRAFTS = 10_000
ENDPOINTS = ("sales", "support")  # a role's own webhook each


@dataclass(frozen=True, slots=True)
class Fed:
    """What the pipeline made of the drafts."""

    drafts: int
    signals: int
    deliveries: int
    cost: Cost


async def bench_ingest(engine: str, places: Databases, runs: int, drafts: int = DRAFTS) -> Result:
    ours: list[Fed] = []
    raw: list[Cost] = []
    for _ in range(runs):
        made = Filled(await places.new(engine), pages())
        ours.append(await feed(made, islice(made.rest, drafts // PAGE)))
        places.filled[engine] = made
        written = await read_pages(made.url)
        raw.append(await write_pages(await places.new(engine), written))
    speeds = [fed.drafts / fed.cost.wall for fed in ours]
    raw_speeds = [drafts / cost.wall for cost in raw]
    synchronous = {
        "sqlite": "synchronous=FULL, WAL, both",
        "postgres": "fsync and synchronous_commit off (tests/engines.py), both",
    }
    return Result(
        name=f"ingest_{engine}",
        value=rounded(median(speeds)),
        unit="signals/s",
        baseline="raw executemany",
        ratio=rounded(median(speeds) / median(raw_speeds)),
        runs=runs,
        detail={
            "range": spread(speeds),
            "cpu_us_per_signal": rounded(median(fed.cost.cpu / fed.drafts for fed in ours) * 1e6),
            "raw_per_s": rounded(median(raw_speeds)),
            "raw_cpu_us_per_signal": rounded(median(cost.cpu / drafts for cost in raw) * 1e6),
            "cpu_ratio": rounded(
                median(cost.cpu for cost in raw) / median(fed.cost.cpu for fed in ours)
            ),
            "drafts": drafts,
            "signals": ours[-1].signals,
            "deliveries": ours[-1].deliveries,
            "rows": sum(len(rows) for page in written for rows in page.values()),
            "durability": synchronous[engine],
            "later_goals": "1,500 signals/s; 0.15 of raw executemany",
        },
    )


async def feed(into: Filled, written: Iterable[Written], signals: int | None = None) -> Fed:
    """Ingest pages until they end, or until the database holds so many signals.

    Only the pipeline is timed; the drafts are made between the pages.
    """
    drafts = sent = 0
    clock = Clock()
    async with open_store(into.url) as store:
        plan = await _plan(store, read_config("", {}))
        claims = await _claims(store)
        for page in written:
            at = now()
            reading = Reading(page.source, notify_after=START)
            whole = Page(page.drafts, page.cursor)
            with clock:
                done = await ingest(store, reading, whole, plan, claim=claims[page.source], at=at)
            assert done.quarantined == done.seen_before == 0, done
            drafts += len(page.drafts)
            sent += done.deliveries
            into.signals += len({one.id for one in done.signals if one.received_at == at})
            if signals is not None and into.signals >= signals:
                break
        async with store.write() as connection:
            for name, claim in claims.items():
                await settle(connection, name, claim.lease, {"next_poll_at": now()})
    return Fed(drafts, into.signals, sent, clock.cost)


async def filled(engine: str, places: Databases, signals: int) -> str:
    """Give a database with so many signals, made by the pipeline; go on from one that is there."""
    held = places.filled.get(engine)
    if held is None or held.signals > signals:
        held = places.filled[engine] = Filled(await places.new(engine), pages())
    if held.signals < signals:
        await feed(held, held.rest, signals)
    await rest(held.url)
    return held.url


async def _plan(store: Store, config: Config) -> Plan:
    async with store.write() as connection:
        ids = await declare_endpoints(connection, {role: role for role in ENDPOINTS}, START)
    everything = frozenset({"*"})
    return Plan(
        Router(config.roles),
        {
            role: [Target(ids[role], everything, config.roles[role].threshold)]
            for role in ENDPOINTS
        },
    )


async def _claims(store: Store) -> dict[str, Claim]:
    """Take the lease of every source, as the poll of each would hold it."""
    async with store.write() as connection:
        await declare_hub(connection, "hub", START)
        for name in SOURCES:
            await declare(connection, name, name, "", START, START)
        standings = await claim_due(
            connection, list(SOURCES), now(), timedelta(days=1), len(SOURCES)
        )
    return {one.name: Claim(one.lease, LEASE) for one in standings if one.lease}
