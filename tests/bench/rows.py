"""The rows that the pipeline wrote, read back page by page, and written again by the bare driver.

A row stands in the page in which the pipeline made it. Where a later revision replaced it, the
last state alone is left, so the baseline writes less than the pipeline did: in its favour.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg

from tests.bench.databases import sqlite
from tests.bench.measured import Clock, Cost

Rows = dict[str, list[Sequence[Any]]]  # table -> its rows
Write = Callable[[Sequence[Rows]], Awaitable[Cost]]

# Where each table's rows come from, and the time of the page that made them: every page is
# ingested with a time of its own.
_PAGE_OF = {
    "accounts": ("accounts t", "t.created_at"),
    "account_keys": ("account_keys t JOIN accounts o ON o.id = t.owner_id", "o.created_at"),
    "people": ("people t", "t.created_at"),
    "person_keys": ("person_keys t JOIN people o ON o.id = t.owner_id", "o.created_at"),
    "signals": ("signals t", "t.received_at"),
    "searched": ("searched t JOIN signals o ON o.id = t.signal_id", "o.received_at"),
    "revisions": ("revisions t", "t.received_at"),
    "relevance": ("relevance t JOIN changes c ON c.seq = t.seq", "c.at"),
    "deliveries": ("deliveries t", "t.created_at"),
    "changes": ("changes t", "t.at"),
}


async def read_pages(url: str) -> list[Rows]:
    """Read back what the pipeline wrote, as the driver gives it, in the order of its pages."""
    pages: defaultdict[Any, Rows] = defaultdict(dict)
    if url.startswith("sqlite"):
        connection = sqlite(url)
        for table, (source, at) in _PAGE_OF.items():
            for row in connection.execute(_select(source, at)):
                pages[row[-1]].setdefault(table, []).append(row[:-1])
        connection.close()
    else:
        postgres = await asyncpg.connect(url)
        try:
            for table, (source, at) in _PAGE_OF.items():
                for row in await postgres.fetch(_select(source, at)):
                    values = tuple(row.values())
                    pages[values[-1]].setdefault(table, []).append(values[:-1])
        finally:
            await postgres.close()
    return [rows for _, rows in sorted(pages.items())]


def _select(source: str, at: str) -> str:
    return f"SELECT t.*, {at} AS page FROM {source} ORDER BY page"  # noqa: S608 - constants above


@asynccontextmanager
async def writer(url: str) -> AsyncGenerator[Write]:
    """Open what writes pages by executemany, a transaction a page, and says what it took."""
    if url.startswith("sqlite"):
        connection = sqlite(url)
        try:
            yield partial(_write_sqlite, connection)
        finally:
            connection.close()
        return
    postgres = await asyncpg.connect(url)
    try:
        yield partial(_write_postgres, postgres)
    finally:
        await postgres.close()


async def _write_sqlite(connection: Any, pages: Sequence[Rows]) -> Cost:
    with (clock := Clock()):
        for page in pages:
            connection.execute("BEGIN IMMEDIATE")
            for table, rows in page.items():
                connection.executemany(_insert(table, ["?" for _ in rows[0]]), rows)
            connection.execute("COMMIT")
    return clock.cost


async def _write_postgres(connection: Any, pages: Sequence[Rows]) -> Cost:
    with (clock := Clock()):
        for page in pages:
            async with connection.transaction():
                for table, rows in page.items():
                    marks = [f"${place}" for place, _ in enumerate(rows[0], 1)]
                    await connection.executemany(_insert(table, marks), rows)
    return clock.cost


def _insert(table: str, marks: Sequence[str]) -> str:
    return f"INSERT INTO {table} VALUES ({', '.join(marks)})"  # noqa: S608 - constants above
