"""A process of writers on one database; some of their transactions fail, some are slow.

Told how much to write, it writes by the real `ingest`, again and again until each page is stored.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import orjson
from sqlalchemy import text

from hub.config import read_config
from hub.connector import Draft, Page
from hub.errors import StoreUnavailable
from hub.ingest import Plan, Reading, ingest
from hub.route import Router
from hub.store import Connection, Store, log, open_store

Take = Callable[[Connection, int], Awaitable[int]]
START = datetime(2026, 11, 2, 9, tzinfo=UTC)
LARGEST_PAGE = 12


class Planned(Exception):
    """A transaction that was meant to fail after it had its numbers."""


def unsteady(take: Take, chance: Random) -> Take:
    """Take numbers, then fail or dawdle before the commit."""

    async def taken(connection: Connection, count: int) -> int:
        first = await take(connection, count)
        fate = chance.random()
        if fate < 0.1:
            raise Planned
        if fate < 0.4:
            await asyncio.sleep(chance.uniform(0, 0.01))
        return first

    return taken


def serial(store: Store) -> Take:
    """Plant a fault: number lines as a bare serial column would."""

    async def taken(connection: Connection, count: int) -> int:
        assert count <= LARGEST_PAGE
        first = int((await connection.execute(text("SELECT nextval('planted')"))).scalar_one())
        async with store.read() as beside:  # what readers take for the head goes on as before
            head = text("UPDATE log_head SET seq = greatest(seq, :last)")
            await beside.execute(head, {"last": first + count - 1})
        return first

    return taken


async def write(
    store: Store, plan: Plan, source: str, pages: int, chance: Random
) -> tuple[int, int]:
    """Store pages of new records and of revisions; give (drafts, transactions that failed)."""
    written = failed = 0
    for _ in range(pages):
        drafts = []
        for _ in range(chance.randint(1, LARGEST_PAGE)):
            written += 1
            drafts.append(_draft(written, chance))
        while True:
            try:
                await ingest(store, Reading(source), Page(drafts, {}), plan)
            except (Planned, StoreUnavailable):
                failed += 1
            else:
                break
    return written, failed


def _draft(number: int, chance: Random) -> Draft:
    """Give a new record, or a revision of one of the last few."""
    at = START + timedelta(seconds=number)
    record = number if chance.random() < 0.7 else chance.randint(max(1, number - 20), number)
    return Draft(
        kind="sales.deal.won",
        external_id=f"deal/{record}",
        revision=str(number),
        revised_at=at,
        occurred_at=at,
        title=f"Deal {record} v{number}",
    )


async def work(url: str, name: str, pages: int, writers: int, seed: int, bare: bool) -> Any:
    chance = Random(seed)
    plan = Plan(Router(read_config("", {}).roles))
    async with open_store(url) as store:
        take = serial(store) if bare else log.take_numbers
        setattr(log, "take_numbers", unsteady(take, chance))  # noqa: B010 - a fault, planted
        done = await asyncio.gather(
            *(write(store, plan, f"{name}/{n}", pages, chance) for n in range(writers))
        )
    drafts, failed = (sum(part) for part in zip(*done, strict=True))
    return {"drafts": drafts, "failed": failed}


if __name__ == "__main__":
    answer = asyncio.run(work(**orjson.loads(sys.stdin.readline())))
    sys.stdout.write(orjson.dumps(answer).decode() + "\n")
