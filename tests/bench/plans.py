"""What each filter of signals, and each pair, costs in a full database, against in a small one."""

import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import combinations
from typing import Any, Final

from sqlalchemy import text

from hub.access import AtLeast, Condition, HasLabel, In, all_of, sees
from hub.config import read_config
from hub.store import Store, open_store
from hub.store.pages import Order, Window
from hub.store.rows import signal_rows
from tests.bench.clones import clone
from tests.bench.databases import Databases, rest
from tests.bench.ingest import filled
from tests.bench.measured import Result, median, rounded, spread
from tests.bench.page import FIRST, ROLE
from tests.bench.scale import SMALL

WARM_UP: Final = 1
ROUNDS: Final = {1: 3, 2: 1}  # of single filters, and of pairs


def one_of(field: Any, *values: str) -> Condition:
    return In(field, frozenset(values))


# Frequent and rare values, and such as nothing has: what is not there is looked for everywhere.
_FILTERS: Mapping[str, Condition] = {
    "kind": one_of("kind", "chat.message"),
    "kinds": one_of("kind", "support.ticket.opened", "brand.mention", "product.release"),
    "no_kinds": one_of("kind", "none.of", "none.such"),
    "wildcard": one_of("kind", "ops.*"),
    "no_wildcard": one_of("kind", "none.*"),
    "departments": one_of("department", "support", "engineering"),
    "no_department": one_of("department", "legal"),
    "source": one_of("source", "rss"),
    "sources": one_of("source", "zendesk", "slack"),
    "no_account": one_of("account", "nobody"),
    "status": one_of("status", "open"),
    "no_status": one_of("status", "acknowledged"),
    "severity": AtLeast("severity", 4),
    "label": HasLabel(frozenset({"production"})),
    "no_label": HasLabel(frozenset({"nobody"})),
}


async def bench_plans(engine: str, places: Databases, signals: int) -> list[Result]:
    """Read the first page of every filter and of every two of them."""
    small = await filled(engine, places, SMALL)
    await rest(small)
    large = await places.copy(engine, small)
    await clone(large, signals // SMALL - 1)
    await rest(large)
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_store(url)) for url in (small, large)]
        asked = {**_FILTERS, "account": await _account(stores[0])}
        seen = sees(read_config("", {}).roles[ROLE].rule)
        times: dict[tuple[str, ...], tuple[list[float], list[float]]] = {
            names: await _both(stores, all_of(seen, *map(asked.__getitem__, names)), ROUNDS[count])
            for count in (1, 2)
            for names in combinations(asked, count)
        }
    pairs = sorted(
        (names for names in times if len(names) == 2), key=lambda names: -median(times[names][1])
    )
    slow = {" and ".join(names): rounded(median(times[names][1])) for names in pairs[:8]}
    found = [
        _result(f"plans_{name}_{engine}", *times[name,], {"signals": signals}) for name in asked
    ]
    worst = _result(f"plans_pair_{engine}", *times[pairs[0]], {"signals": signals, "slowest": slow})
    return [*found, worst]


async def _account(store: Store) -> Condition:
    """Take the account of which there is most."""
    most = "SELECT account_id FROM signals WHERE account_id IS NOT NULL GROUP BY account_id"
    async with store.read() as connection:
        found = await connection.scalar(text(f"{most} ORDER BY count(*) DESC LIMIT 1"))
    return one_of("account", str(found))


async def _both(
    stores: Sequence[Store], condition: Condition, rounds: int
) -> tuple[list[float], list[float]]:
    small, large = stores
    return await _read(small, condition, rounds), await _read(large, condition, rounds)


async def _read(store: Store, condition: Condition, rounds: int) -> list[float]:
    """Time the first page, in milliseconds."""
    times = []
    for number in range(-WARM_UP, rounds):
        began = time.perf_counter()
        await signal_rows(store, condition, Order.NEWEST, Window(FIRST))
        if number >= 0:
            times.append((time.perf_counter() - began) * 1000)
    return times


def _result(
    name: str, small: Sequence[float], large: Sequence[float], detail: Mapping[str, Any]
) -> Result:
    return Result(
        name=name,
        value=rounded(median(large)),
        unit="ms",
        baseline=f"at {SMALL:,} signals",
        ratio=rounded(median(large) / median(small)),
        better="lower",
        runs=len(large),
        detail={"range": spread(large), "baseline_ms": rounded(median(small)), **detail},
    )
