"""Whoever is cancelled in the middle of a transaction leaves the database free and in order."""

import asyncio
import random
from collections.abc import AsyncGenerator
from time import monotonic

import pytest
from sqlalchemy import text

from hub.store import Store, log, open_store


@pytest.fixture
async def store(database_url: str) -> AsyncGenerator[Store]:
    async with open_store(database_url) as store:
        yield store


async def write(store: Store, done: list[int]) -> None:
    """Take numbers, two to a transaction, until cancelled."""
    while True:
        async with store.write() as connection:
            first = await log.take_numbers(connection, 1)
            await connection.execute(text("SELECT 1"))
            second = await log.take_numbers(connection, 1)
        done += [first, second]


async def test_a_cancelled_writer_keeps_nobody_waiting(store: Store) -> None:
    chance = random.Random(7)
    for _ in range(60):
        done: list[int] = []
        writers = [asyncio.ensure_future(write(store, done)) for _ in range(4)]
        await asyncio.sleep(chance.random() * 0.01)
        for writer in writers:
            writer.cancel()
        await asyncio.sleep(0)
        for writer in chance.sample(writers, 2):
            writer.cancel()  # again, as a task group within a task group does
        ended, late = await asyncio.wait(writers, timeout=10)
        assert not late
        assert all(writer.cancelled() for writer in ended)
        async with asyncio.timeout(3), store.write() as connection:
            head = await log.head(connection)
        assert head % 2 == 0, "a transaction is whole or not at all"
        assert max(done, default=0) <= head


async def test_a_time_out_within_a_transaction_is_a_time_out(store: Store) -> None:
    async def linger() -> None:
        async with asyncio.timeout(0.05), store.write() as connection:
            for _ in range(1000):
                await connection.execute(text("SELECT 1"))
                await asyncio.sleep(0.001)

    with pytest.raises(TimeoutError):
        await linger()
    async with asyncio.timeout(3), store.write() as connection:
        assert await log.head(connection) == 0


async def test_an_error_within_stays_the_error(store: Store) -> None:
    async def fail() -> None:
        async with store.write() as connection:
            await log.take_numbers(connection, 1)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with store.read() as connection:
        assert await log.head(connection) == 0


FOREVER = {
    True: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
    False: "SELECT pg_sleep(60)",
}


async def test_a_long_read_ends_with_whoever_asked(store: Store) -> None:
    async def linger() -> None:
        async with asyncio.timeout(0.2), store.read() as connection:
            await connection.execute(text(FOREVER[store.is_sqlite]))

    began = monotonic()
    for _ in range(5):  # more than SQLite has connections to read by: each is given back
        with pytest.raises(TimeoutError):
            await linger()
    assert monotonic() - began < 10
    async with asyncio.timeout(3), store.read() as connection:
        assert await log.head(connection) == 0
