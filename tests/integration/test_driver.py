"""What goes to the driver straight away is part of its transaction, and fails as all else does."""

from collections.abc import AsyncGenerator

import pytest
from sqlalchemy.exc import DBAPIError

from hub.errors import StoreUnavailable
from hub.store import Store, log, open_store
from hub.store.driver import fetch
from tests.running import migrated


@pytest.fixture
async def store(database_url: str) -> AsyncGenerator[Store]:
    async with open_store(await migrated(database_url)) as store:
        yield store


async def test_it_is_committed_and_undone_with_its_transaction(store: Store) -> None:
    async with store.write() as connection:
        assert await log.take_numbers(connection, 2) == 1

    async def broken_off() -> None:
        async with store.write() as connection:
            await log.take_numbers(connection, 5)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await broken_off()
    async with store.read() as connection:
        assert await log.head(connection) == 2


async def test_a_wrong_statement_is_a_bug_and_leaves_a_connection_that_works(store: Store) -> None:
    async def wrong() -> None:
        async with store.write() as connection:
            await log.take_numbers(connection, 1)
            await fetch(connection, "INSERT INTO log_head (id, seq) VALUES (1, 7)", ())

    with pytest.raises(DBAPIError, match=r"(?i)unique"):
        await wrong()
    async with store.write() as connection:
        assert await log.take_numbers(connection, 1) == 1


async def test_a_database_that_cannot_work_is_unavailable_until_it_can(store: Store) -> None:
    async def cut_off() -> None:
        async with store.write() as connection:
            await log.take_numbers(connection, 1)
            if not store.is_sqlite:
                await fetch(connection, "SELECT pg_terminate_backend(pg_backend_pid())", ())
            await fetch(connection, "PRAGMA max_page_count = 1", ())  # as if the disk were full
            words = "INSERT INTO searched (signal_id, updated_at) VALUES (?, '')"
            await fetch(connection, words, ("x" * 1_000_000,))

    with pytest.raises(StoreUnavailable):
        await cut_off()
    async with store.write() as connection:
        assert await log.take_numbers(connection, 1) == 1
