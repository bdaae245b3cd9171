"""Any schedule of claims, settles, late settles, heartbeats and ends of leases, on both engines.

Never two holders, none lost, attempts only grow, and what is settled stays settled.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hub.store import Connection, Store
from hub.store.declarations import DeclaredSource, declare_sources
from hub.store.deliveries import (
    Delivery,
    DeliveryState,
    add_deliveries,
    claim_deliveries,
    deliveries,
    give_back,
    prolong_deliveries,
    settle_delivery,
)
from hub.store.endpoints import DeclaredEndpoint, declare_endpoints, endpoint_ids
from hub.store.sources import (
    Standing,
    State,
    claim_due,
    claim_one,
    make_due,
    prolong,
    save_cursor,
    settle,
    standings,
)
from tests.proofs.explored import exploring, opened

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
LEASE = timedelta(seconds=20)
EXAMPLES = 100
SECONDS = st.integers(1, 30).map(lambda seconds: timedelta(seconds=seconds))
OLD = st.integers(0, 50)  # which of all the claims so far, the newest first
WAIT = st.tuples(st.just("wait"), SECONDS)
CLAIM = st.tuples(st.just("claim"), st.integers(1, 4))
BEAT = st.tuples(st.just("beat"), st.lists(OLD, min_size=1, max_size=4))
DELIVERY_STEPS = st.lists(
    st.one_of(
        WAIT,
        CLAIM,
        CLAIM,
        BEAT,
        st.tuples(st.just("deliver"), OLD),
        st.tuples(st.just("fail"), OLD, SECONDS),
        st.tuples(st.just("give back"), OLD),
    ),
    min_size=5,
    max_size=40,
)
NAMES = ["crm", "chat", "desk"]
POLL_STEPS = st.lists(
    st.one_of(
        WAIT,
        CLAIM,
        CLAIM,
        BEAT,
        st.tuples(st.just("claim one"), st.sampled_from(NAMES)),
        st.tuples(st.just("page"), OLD),
        st.tuples(st.just("settle"), OLD, SECONDS),
        st.tuples(st.just("ask"), st.sampled_from(NAMES)),
    ),
    min_size=5,
    max_size=40,
)
Step = tuple[Any, ...]


@dataclass
class Row:
    """What a row must be: the rule, in a few words of Python."""

    due: datetime
    holder: Any = None  # attempt number or lease id
    until: datetime | None = None
    attempt: int = 0
    settled: bool = False
    tried_at: datetime = START
    pages: int = 0

    def is_free(self, at: datetime) -> bool:
        return not self.settled and (self.until is None or self.until < at)

    def is_due(self, at: datetime) -> bool:
        return self.is_free(at) and self.due <= at


@dataclass
class Deliveries:
    """Deliveries under any schedule, beside what they must be."""

    connection: Connection
    at: datetime = START
    rows: dict[str, Row] = field(default_factory=dict)
    claims: list[Delivery] = field(default_factory=list)

    async def begin(self) -> None:
        declared = [DeclaredEndpoint(name, "sales", "print") for name in ("bot", "pager")]
        await declare_endpoints(self.connection, declared, START)
        ids = await endpoint_ids(self.connection)
        rows = [(ids[name], "signal", seq) for seq, name in enumerate(["bot", "bot", "pager"])]
        await add_deliveries(self.connection, rows, START)
        self.rows = {one.id: Row(START) for one in await deliveries(self.connection)}

    async def step(self, what: str, *given: Any) -> None:
        match what:
            case "wait":
                self.at += given[0]
            case "claim":
                await self.claim(given[0])
            case "beat":
                await self.beat(self.old(given[0]))
            case _ if self.claims:
                [claim] = self.old([given[0]])
                await self.settle(what, claim, *given[1:])

    def old(self, which: Sequence[int]) -> list[Delivery]:
        return [self.claims[-1 - (n % len(self.claims))] for n in which if self.claims]

    async def claim(self, limit: int) -> None:
        due = {id_ for id_, row in self.rows.items() if row.is_due(self.at)}
        claimed = await claim_deliveries(
            self.connection, ["bot", "pager"], self.at, LEASE, limit, per_endpoint=4
        )
        assert {one.id for one in claimed} <= due, "held by somebody, not due, or settled"
        assert len(claimed) == min(limit, len(due)), "what is due can be had"
        for one in claimed:
            row = self.rows[one.id]
            assert one.attempt == row.attempt + 1
            row.attempt = row.holder = one.attempt
            row.until = self.at + LEASE
        self.claims += claimed

    def holds(self, claim: Delivery) -> bool:
        row = self.rows[claim.id]
        return row.holder == claim.attempt and row.until is not None and not row.settled

    async def beat(self, claims: Sequence[Delivery]) -> None:
        held = {claim.id: claim.attempt for claim in claims}
        if held:
            await prolong_deliveries(self.connection, held, self.at + LEASE)
        for claim in claims:
            if held[claim.id] == claim.attempt and self.holds(claim):
                self.rows[claim.id].until = self.at + LEASE

    async def settle(self, how: str, claim: Delivery, wait: timedelta | None = None) -> None:
        held, row = self.holds(claim), self.rows[claim.id]
        if how == "give back":
            await give_back(self.connection, claim)
        else:
            state = DeliveryState.DELIVERED if how == "deliver" else DeliveryState.PENDING
            due = self.at + wait if wait else None
            done = await settle_delivery(self.connection, claim, None, state, self.at, due)
            assert done == held, "a late settle changes nothing, a timely one counts"
        if held:
            row.until, row.settled = None, how == "deliver"
            row.due = self.at + wait if wait else row.due

    async def check(self) -> None:
        for one in await deliveries(self.connection):
            row = self.rows[one.id]
            assert (one.attempt, one.next_attempt_at) == (row.attempt, row.due)
            assert (one.state is DeliveryState.DELIVERED) == row.settled

    async def end(self) -> None:
        """After every lease and wait, all that is not settled is claimed again."""
        self.at += timedelta(minutes=5)
        await self.claim(100)
        assert all(row.settled or row.until == self.at + LEASE for row in self.rows.values())


@dataclass
class Polls:
    """Sources under any schedule, beside what they must be."""

    connection: Connection
    at: datetime = START
    rows: dict[str, Row] = field(default_factory=dict)
    claims: list[Standing] = field(default_factory=list)

    async def begin(self) -> None:
        declared = [DeclaredSource(name, "ledger", "print", None) for name in NAMES]
        await declare_sources(self.connection, declared, START, kept={}, own="hub")
        self.rows = {name: Row(START) for name in NAMES}

    async def step(self, what: str, *given: Any) -> None:
        match what:
            case "wait":
                self.at += given[0]
            case "claim":
                await self.claim(given[0])
            case "claim one":
                await self.claim_one(given[0])
            case "ask":
                assert await make_due(self.connection, given[0], self.at)
                self.rows[given[0]].due = self.at
            case "beat":
                await self.beat(self.old(given[0]))
            case _ if self.claims:
                [claim] = self.old([given[0]])
                await (self.page(claim) if what == "page" else self.settle(claim, given[1]))

    def old(self, which: Sequence[int]) -> list[Standing]:
        return [self.claims[-1 - (n % len(self.claims))] for n in which if self.claims]

    async def claim(self, limit: int) -> None:
        due = {name for name, row in self.rows.items() if row.is_due(self.at)}
        claimed = await claim_due(self.connection, NAMES, self.at, LEASE, limit)
        assert {one.name for one in claimed} <= due, "held by somebody, or not due"
        assert len(claimed) == min(limit, len(due)), "what is due can be had"
        for one in claimed:
            self.taken(one)

    async def claim_one(self, name: str) -> None:
        row = self.rows[name]
        was_free = row.is_free(self.at)
        claimed = await claim_one(self.connection, name, self.at, LEASE)
        assert (claimed is not None) == was_free
        if claimed is not None:
            row.due = self.at
            self.taken(claimed)

    def taken(self, one: Standing) -> None:
        row = self.rows[one.name]
        # Rows claimed together have one lease; no row has one twice.
        assert (one.name, one.lease) not in {(claim.name, claim.lease) for claim in self.claims}
        assert one.cursor.get("pages", 0) == row.pages, "it goes on where the last page ended"
        row.holder, row.until, row.tried_at = one.lease, self.at + LEASE, self.at
        self.claims.append(one)

    def holds(self, claim: Standing) -> bool:
        return bool(self.rows[claim.name].holder == claim.lease)

    async def beat(self, claims: Sequence[Standing]) -> None:
        held = {claim.name: claim.lease for claim in claims if claim.lease}
        if held:
            await prolong(self.connection, held, self.at + LEASE)
        for claim in claims:
            if held[claim.name] == claim.lease and self.holds(claim):
                self.rows[claim.name].until = self.at + LEASE

    async def page(self, claim: Standing) -> None:
        assert claim.lease is not None
        row, held = self.rows[claim.name], self.holds(claim)
        cursor = {"pages": row.pages + 1}
        saved = await save_cursor(self.connection, claim.name, claim.lease, cursor, self.at + LEASE)
        assert saved == held, "a page counts only under the newest lease"
        if held:
            row.pages, row.until = row.pages + 1, self.at + LEASE

    async def settle(self, claim: Standing, wait: timedelta) -> None:
        assert claim.lease is not None
        row, held = self.rows[claim.name], self.holds(claim)
        outcome = {"state": State.OK, "next_poll_at": self.at + wait}
        done = await settle(self.connection, claim.name, claim.lease, outcome)
        assert done == held
        if held:
            row.holder = row.until = None
            # Asked for since it began: it may have begun too early to see what was meant.
            row.due = row.due if row.due > row.tried_at else self.at + wait

    async def check(self) -> None:
        for one in await standings(self.connection):
            row = self.rows[one.name]
            assert (one.lease, one.lease_until) == (row.holder, row.until)
            assert one.next_poll_at == row.due

    async def end(self) -> None:
        """After every lease and wait, all are claimed again."""
        self.at += timedelta(minutes=5)
        await self.claim(100)
        assert all(row.until == self.at + LEASE for row in self.rows.values())


async def play(store: Store, kind: type[Deliveries | Polls], steps: Sequence[Step]) -> None:
    """Play a schedule in one transaction, which leaves nothing to the next."""
    async with store._write.connect() as connection, connection.begin() as transaction:
        rows = kind(connection)
        await rows.begin()
        for step in steps:
            await rows.step(*step)
            await rows.check()
        await rows.end()
        await transaction.rollback()


def explore(url: str, kind: type[Deliveries | Polls], steps: st.SearchStrategy[Any]) -> None:
    with opened(url, 1) as (runner, [store]):

        @exploring(EXAMPLES)
        @given(steps)
        def any_schedule(schedule: Sequence[Step]) -> None:
            runner.run(play(store, kind, schedule))

        any_schedule()


def test_deliveries(database_url: str) -> None:
    explore(database_url, Deliveries, DELIVERY_STEPS)


def test_polls(database_url: str) -> None:
    explore(database_url, Polls, POLL_STEPS)
