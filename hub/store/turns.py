"""Whose turn it is to write. On SQLite every writer has waited already, in BEGIN IMMEDIATE."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.store.columns import given

# Two numbers of ours: a key space apart from the one of the sources' names.
_ERASERS = (0x687562, 1)
_MIGRATION = (0x687562, 2)
_TURN = select(
    func.pg_advisory_xact_lock_shared(*_ERASERS),
    func.pg_advisory_xact_lock(func.hashtextextended(given("source"), 0)),
)


async def take_turn(connection: AsyncConnection, source: str) -> None:
    """Wait until no other transaction writes records of this source, and nobody erases.

    Two that bring the same record (a push and a poll, two people) would each find it unknown.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(_TURN, {"source": source})


async def among_writers(connection: AsyncConnection) -> None:
    """Wait until nobody erases what this transaction is about to build on."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock_shared(*_ERASERS)))


async def alone(connection: AsyncConnection) -> None:
    """Wait until no page is being stored, and let the next wait for the end of this transaction.

    Who erases must not take a row away from under a page that has read it and builds on it.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(*_ERASERS)))


async def only_migration(connection: AsyncConnection) -> None:
    """Wait until nobody else changes the schema: two that add one table would both fail."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(*_MIGRATION)))
