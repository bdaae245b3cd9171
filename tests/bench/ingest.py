"""The whole pipeline, page after page as polls bring them, against its rows by executemany."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice

from hub.config import Config, SourceConfig, read_config
from hub.connector import Page
from hub.ingest import Claim, Plan, Reading, ingest
from hub.lease import LEASE
from hub.signals import now
from hub.snapshot import put_in_force
from hub.store import Store, open_store
from hub.store.sources import claim_due, settle
from tests.bench.databases import Databases, Filled, rest
from tests.bench.drafts import PAGE, SOURCES, START, Written, pages
from tests.bench.measured import Clock, Cost, Result, median, rounded, spread
from tests.bench.rows import read_pages, writer
from tests.ledger import Ledger

DRAFTS = 10_000
SLICE = 10  # pages
ENDPOINTS = ("sales", "support")  # one for the role of each name
_TOLD = "\n".join(
    f"""
    [endpoints.{role}]
    role = "{role}"
    url = "https://{role}.example/hook"
    secret = "whsec_{"c" * 43}="
    """
    for role in ENDPOINTS
)
DURABILITY = {
    "sqlite": "WAL with synchronous=FULL as in production, both",
    "postgres": "fsync, full_page_writes and synchronous_commit off (tests/engines.py), both",
}


@dataclass(slots=True)
class Pipeline:
    """The pipeline at work on one database; counts what it made of the drafts."""

    into: Filled
    store: Store
    plan: Plan
    claims: Mapping[str, Claim]
    deliveries: int = 0

    async def feed(self, written: Iterable[Written], signals: int | None = None) -> Cost:
        """Ingest pages until they end, or until the database holds so many signals.

        Only the pipeline is timed; the drafts are made between the pages.
        """
        clock = Clock()
        for page in written:
            at = now()
            reading = Reading(page.source, notify_after=START)
            whole, claim = Page(page.drafts, page.cursor), self.claims[page.source]
            with clock:
                done = await ingest(self.store, reading, whole, self.plan, claim=claim, at=at)
            assert done.quarantined == done.seen_before == 0, done
            self.deliveries += len(done.deliveries)
            self.into.signals += len({one.id for one in done.signals if one.received_at == at})
            if signals is not None and self.into.signals >= signals:
                break
        return clock.cost


@asynccontextmanager
async def pipeline(into: Filled) -> AsyncGenerator[Pipeline]:
    """Open the pipeline as a poller does: with the roles' judge and the lease of every source."""
    async with open_store(into.url) as store:
        plan = (await put_in_force(store, _config())).snapshot.plan
        claims = await _claims(store)
        yield Pipeline(into, store, plan, claims)
        async with store.write() as connection:
            for name, claim in claims.items():
                await settle(connection, name, claim.lease, {"next_poll_at": now()})


async def bench_ingest(engine: str, places: Databases, runs: int, drafts: int = DRAFTS) -> Result:
    """Measure slices of the pipeline and of its rows by turns, so that both meet the same noise.

    A first pass makes the rows; it also warms up, and leaves its signals for the queries.
    """
    if drafts % (SLICE * PAGE):
        raise ValueError(f"{drafts} drafts are no whole slices of {SLICE} pages")
    made = Filled(await places.new(engine), pages())
    async with pipeline(made) as work:
        await work.feed(islice(made.rest, drafts // PAGE))
    places.filled[engine] = made
    rows = await read_pages(made.url)
    ours: list[Cost] = []
    raw: list[Cost] = []
    for _ in range(runs):
        again = Filled(await places.new(engine), pages())
        async with pipeline(again) as work, writer(await places.new(engine)) as write:
            for first in range(0, len(rows), SLICE):
                part = rows[first : first + SLICE]
                ours.append(await work.feed(islice(again.rest, len(part))))
                raw.append(await write(part))
    return _result(engine, ours, raw, work, sum(len(of) for page in rows for of in page.values()))


def _result(
    engine: str, ours: Sequence[Cost], raw: Sequence[Cost], work: Pipeline, rows: int
) -> Result:
    drafts = SLICE * PAGE
    speed, raw_speed = (drafts / median(cost.wall for cost in costs) for costs in (ours, raw))
    cpu, raw_cpu = (median(cost.cpu for cost in costs) / drafts * 1e6 for costs in (ours, raw))
    return Result(
        name=f"ingest_{engine}",
        value=rounded(speed),
        unit="signals/s",
        baseline="raw executemany",
        ratio=rounded(speed / raw_speed),
        goal=0.15,
        runs=len(ours),
        detail={
            "range": spread(drafts / cost.wall for cost in ours),
            "cpu_us_per_signal": rounded(cpu),
            "baseline_per_s": rounded(raw_speed),
            "baseline_range": spread(drafts / cost.wall for cost in raw),
            "baseline_cpu_us_per_signal": rounded(raw_cpu),
            "cpu_ratio": rounded(raw_cpu / cpu),
            "run": f"{drafts} drafts in pages of {PAGE}",
            "signals": work.into.signals,
            "deliveries": work.deliveries,
            "rows": rows,
            "durability": DURABILITY[engine],
            "absolute_goal": "1,500 signals/s",
        },
    )


async def filled(engine: str, places: Databases, signals: int) -> str:
    """Give a database with so many signals, made by the pipeline; go on from one that is there."""
    held = places.filled.get(engine)
    if held is None or held.signals > signals:
        held = places.filled[engine] = Filled(await places.new(engine), pages())
    if held.signals < signals:
        async with pipeline(held) as work:
            await work.feed(held.rest, signals)
    await rest(held.url)
    return held.url


def _config() -> Config:
    """Configure the six default roles, a webhook for two of them, and the sources of the mix."""
    told = read_config(_TOLD, {})
    connector = Ledger(url="http://127.0.0.1:1")  # never asked: pages come as if it had been
    sources = {
        name: SourceConfig(name, "ledger", connector, Ledger.every, notify_after=START)
        for name in SOURCES
    }
    return replace(told, sources=sources)


async def _claims(store: Store) -> dict[str, Claim]:
    """Take the lease of every source, as the poll of each would hold it."""
    async with store.write() as connection:
        standings = await claim_due(
            connection, list(SOURCES), now(), timedelta(days=1), len(SOURCES)
        )
    return {one.name: Claim(one.lease, LEASE) for one in standings if one.lease}
