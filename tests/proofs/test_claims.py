"""Claimers in several processes never hold one row at once, and leave none behind."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import groupby, pairwise
from typing import Any

import pytest

from hub.signals import now
from hub.store import Store, open_store
from hub.store.declarations import DeclaredSource, declare_sources
from hub.store.deliveries import (
    Delivery,
    DeliveryState,
    add_deliveries,
    claim_deliveries,
    deliveries,
)
from hub.store.endpoints import DeclaredEndpoint, declare_endpoints, endpoint_ids
from hub.store.sources import claim_due
from tests.bench.children import child
from tests.proofs.claimer import LEASE, Hold
from tests.running import migrated, until

PROCESSES = 2
CLAIMERS = 3  # of each kind, in each process
SOURCES = ["crm", "chat", "desk", "news"]
ENDPOINTS = ["bot", "pager"]
DELIVERIES = 40


@pytest.mark.processes
@pytest.mark.parametrize("seconds", [2.0, pytest.param(20, marks=pytest.mark.long)])
async def test_a_row_has_one_holder(database_url: str, seconds: float) -> None:
    order = {"claimers": CLAIMERS, "sources": SOURCES, "endpoints": ENDPOINTS}
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(await migrated(database_url)))
        await _make_due(store)
        claimers = [
            await stack.enter_async_context(child("tests.proofs.claimer")) for _ in range(PROCESSES)
        ]
        told = await asyncio.gather(
            *(
                one.ask({**order, "url": database_url, "seconds": seconds, "seed": seed})
                for seed, one in enumerate(claimers)
            )
        )
        holds = [Hold(**hold) for of in told for hold in of]
        await _nothing_is_lost(store, holds)
    assert len(holds) > 30
    assert sum(one.settled is None for one in holds) > 2, "rows were dropped"
    beaten = [one.settled for one in holds if one.beaten]
    # A machine that stands still for a lease loses it; a hub that does would, too.
    assert sum(map(bool, beaten)) >= 0.8 * len(beaten) > 0, "heartbeats hold a row"
    assert _held_twice(holds) == []
    claims = Counter((one.row, one.claim) for one in holds)
    assert claims.most_common(1)[0][1] == 1, "no claim is given out twice"


def _held_twice(holds: list[Hold]) -> list[tuple[Hold, Hold]]:
    """Find those who were given a row before another's time was over."""
    holds.sort(key=lambda hold: (hold.row, hold.claimed))
    return [
        (one, other)
        for _, of_row in groupby(holds, key=lambda hold: hold.row)
        for one, other in pairwise(of_row)
        if other.claimed < one.until
    ]


def test_the_proof_sees_a_row_in_two_hands() -> None:
    first = Hold("row", "1", claimed=10.0, until=10.5, settled=True)
    assert _held_twice([first, Hold("row", "2", 10.6, 11.0, settled=True)]) == []
    early = Hold("row", "2", 10.4, 11.0, settled=True)
    assert _held_twice([early, first, Hold("other", "1", 10.1, 12, settled=None)]) == [
        (first, early)
    ]


async def _make_due(store: Store) -> None:
    async with store.write() as connection:
        at = now()
        sources = [DeclaredSource(name, "ledger", "print", None) for name in SOURCES]
        await declare_sources(connection, sources, at, kept={}, own="hub")
        endpoints = [DeclaredEndpoint(name, "sales", "print") for name in ENDPOINTS]
        await declare_endpoints(connection, endpoints, at)
        ids = list((await endpoint_ids(connection)).values())
        rows = [(ids[seq % len(ids)], "signal", seq) for seq in range(DELIVERIES)]
        await add_deliveries(connection, rows, at)


async def _nothing_is_lost(store: Store, holds: list[Hold]) -> None:
    """Expect the next who comes to claim all that nobody has settled, once its lease has ended."""
    delivered = Counter(hold.row for hold in holds if hold.done)
    async with store.read() as connection:
        rows = await deliveries(connection)
    settled = {row.id for row in rows if row.state is DeliveryState.DELIVERED}
    assert delivered == Counter(settled), "each settled once, and by whom it says"
    found: set[str] = set()

    async def sweep() -> Any:
        long = timedelta(minutes=1)
        async with store.write() as connection:
            got: list[Delivery] = await claim_deliveries(
                connection, ENDPOINTS, now(), long, 100, per_endpoint=100
            )
            found.update(one.id for one in got)
            found.update(one.name for one in await claim_due(connection, SOURCES, now(), long, 10))
        return found == {row.id for row in rows} - settled | set(SOURCES)

    await until(sweep, within=LEASE.total_seconds() + 10)
