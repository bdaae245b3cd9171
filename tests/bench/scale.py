"""What a full database costs: the same work at ten thousand signals and at a million, by turns."""

import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from random import Random

import httpx2

from hub.access import Always
from hub.signals import Status, now
from hub.store import open_store
from hub.store.deliveries import claim_deliveries, next_delivery_in
from hub.store.keys import add_key, new_key
from hub.store.sources import counts
from tests.bench.clones import clone, cloned
from tests.bench.databases import Databases, Filled, rest
from tests.bench.drafts import PAGE, SOURCES, Written, pages
from tests.bench.ingest import DURABILITY, ENDPOINTS, Pipeline, filled, pipeline
from tests.bench.measured import Result, median, rounded, spread
from tests.bench.page import DOCUMENT, FIRST, ROLE
from tests.bench.query import serving

SMALL = 10_000
WARM_UP = 5  # rounds
COUNTED = 10  # every which round signals are counted: it takes long
_READS: Mapping[str, str] = {
    "first_page": DOCUMENT,
    "feed": "query Feed($role: String!, $first: Int!) { feed(role: $role, first: $first) {"
    " edges { score node { id title } } } }",
    "log": "query Log($first: Int!) { changes(first: $first) { edges { node { seq type } } } }",
    "history": "query One { signals(first: 1) { edges { node { history(first: 9) {"
    " edges { node { seq type at } } } } } } }",
}
# How much longer than at ten thousand signals. Counting reads them all, so it has no goal, and a
# change of status has an absolute one.
_GOALS = {"first_page": 2.0, "feed": 2.0, "log": 2.0, "history": 2.0, "claim": 2.0}


@dataclass(slots=True)
class Place:
    """A database with so many copies of each signal, and the milliseconds that work in it took."""

    filled: Filled
    copies: int
    times: dict[str, list[float]] = field(default_factory=dict)

    def took(self, what: str, seconds: float) -> None:
        self.times.setdefault(what, []).append(seconds * 1000)


async def bench_scale(engine: str, places: Databases, rounds: int, signals: int) -> list[Result]:
    """Work in a database that the pipeline filled, and in one where its signals were cloned."""
    small = await filled(engine, places, SMALL)
    large = await places.copy(engine, small)
    began = time.perf_counter()
    await clone(large, signals // SMALL - 1)
    await rest(large)
    cloning = time.perf_counter() - began
    both = [
        Place(Filled(url, iter(()), copies * SMALL), copies)
        for url, copies in ((small, 1), (large, signals // SMALL))
    ]
    await _write(both, rounds)
    await _read(both, rounds)
    return [_result(engine, what, both, signals, cloning) for what in both[0].times]


async def _write(both: Sequence[Place], rounds: int) -> None:
    """Bring a new revision of one record a page, and claim what is due for it."""
    chance = Random(11)
    known = list(islice(pages(), SMALL // PAGE))
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(pipeline(place.filled)) for place in both]
        for number in range(-WARM_UP, rounds):
            page = chance.choice(known)
            for place, line in zip(both, lines, strict=True):
                change = _changed(page, number, chance.randrange(place.copies), chance)
                cost = await line.feed([change])
                claiming = await _claim(line)
                if number >= 0:
                    place.took("status_change", cost.wall)
                    place.took("claim", claiming)
                    if number % COUNTED == 0:
                        place.took("count", await _count(line))


def _changed(page: Written, number: int, copy: int, chance: Random) -> Written:
    """Say of one record that it is in another state since just now."""
    draft = chance.choice(page.drafts)
    at = now()
    status = Status.OPEN if draft.status is Status.RESOLVED else Status.RESOLVED
    changed = draft.model_copy(
        update={
            "external_id": cloned(draft.external_id, copy),
            "status": status,
            "revision": f"bench/{number}",
            "revised_at": at,
        }
    )
    return Written(page.source, [changed], {"after": number, "seen": at.isoformat()})


async def _claim(line: Pipeline) -> float:
    """Time a claim of what is due and a look at what comes next, and give all back."""
    async with line.store.write() as connection:
        began = time.perf_counter()
        await claim_deliveries(connection, ENDPOINTS, now(), timedelta(seconds=30), 50, 10)
        await next_delivery_in(connection, ENDPOINTS)
        took = time.perf_counter() - began
        await connection.rollback()
    return took


async def _count(line: Pipeline) -> float:
    """Time how many signals each source has, as its page shows."""
    async with line.store.read() as connection:
        began = time.perf_counter()
        counted = await counts(connection, list(SOURCES), Always())
        took = time.perf_counter() - began
    assert sum(signals for signals, _ in counted.values()) >= line.into.signals
    return took


async def _read(both: Sequence[Place], rounds: int) -> None:
    """Ask a hub on each database, one request at a time."""
    key = new_key()
    async with AsyncExitStack() as stack:
        headers = {"Authorization": f"Bearer {key}"}
        client = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=60))
        urls = []
        for place in both:
            async with open_store(place.filled.url) as store, store.write() as connection:
                await add_key(connection, key, name="bench", roles=[ROLE], at=now())
            hub = await stack.enter_async_context(serving("hub", place.filled.url, key))
            urls.append(f"http://127.0.0.1:{hub.port}/graphql")
        for number in range(-WARM_UP, rounds):
            for what, document in _READS.items():
                for place, url in zip(both, urls, strict=True):
                    took = await _ask(client, url, document)
                    if number >= 0:
                        place.took(what, took)


async def _ask(client: httpx2.AsyncClient, url: str, document: str) -> float:
    variables = {"first": FIRST, "role": ROLE, "filter": {}}
    began = time.perf_counter()
    answer = await client.post(url, json={"query": document, "variables": variables})
    took = time.perf_counter() - began
    said = answer.json()
    if "errors" in said or not said["data"]:
        raise RuntimeError(f"{document}: {said}"[:2000])
    return took


def _result(engine: str, what: str, both: Sequence[Place], signals: int, cloning: float) -> Result:
    small, large = (place.times[what] for place in both)
    return Result(
        name=f"scale_{what}_{engine}",
        value=rounded(median(large)),
        unit="ms",
        baseline=f"at {SMALL:,} signals",
        ratio=rounded(median(large) / median(small)),
        better="lower",
        goal=_GOALS.get(what),
        runs=len(large),
        detail={
            "range": spread(large),
            "baseline_ms": rounded(median(small)),
            "baseline_range": spread(small),
            "signals": signals,
            "cloning_s": rounded(cloning),
            **({"absolute_goal": "20 ms"} if what == "status_change" else {}),
            "durability": DURABILITY[engine],
        },
    )
