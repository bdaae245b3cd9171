"""A large database in short time: what the pipeline made, cloned by the engine itself.

A clone has ids, an external id, times and numbers of its own, older than the original's, and the
same account and people. It has no body, and a tenth of the clones have deliveries, all settled.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import asyncpg
from sqlmodel import SQLModel

from tests.bench.databases import sqlite

_DAYS = 2  # between one clone and the next by the sources' clocks: a hundred make seven months
_HOURS = 6  # by the hub's own: within what it keeps
_DELIVERED = 10  # every which clone has deliveries
_OLDER = 64  # of the first 32 bits of an id, each 65 seconds

# What of a clone differs from the original, by table and column.
_DIFFERENT: Mapping[str, Mapping[str, str]] = {
    "signals": {
        "id": "id",
        "external_id": "name",
        "body": "nothing",
        "occurred_at": "there",
        "revised_at": "there",
        "received_at": "here",
        "updated_at": "here",
    },
    "revisions": {
        "id": "id",
        "signal_id": "id",
        "external_id": "name",
        "revised_at": "there",
        "received_at": "here",
        "data": "empty",
    },
    "changes": {"seq": "seq", "signal_id": "id", "revision_id": "id", "at": "here"},
    "relevance": {"signal_id": "id", "day": "day", "seq": "seq"},
    "deliveries": {
        "id": "id",
        "signal_id": "id",
        "seq": "seq",
        "created_at": "here",
        "next_attempt_at": "here",
        "settled_at": "here",
    },
}


def cloned(external_id: str, copy: int) -> str:
    """Name the record of a clone; the original is copy 0."""
    return f"{copy}/{external_id}" if copy else external_id


async def clone(url: str, copies: int) -> None:
    """Add so many clones of every signal and of all that is stored about it."""
    if url.startswith("sqlite"):
        _clone_sqlite(url, copies)
        return
    postgres = await asyncpg.connect(url)
    try:
        for table in _DIFFERENT:
            await postgres.execute(_keep(table))
        newest, head = await postgres.fetchrow(_NEWEST)
        for copy in range(1, copies + 1):
            async with postgres.transaction():
                for statement in _Copy(copy, newest, head, sqlite=False).statements():
                    await postgres.execute(statement)
    finally:
        await postgres.close()


def _clone_sqlite(url: str, copies: int) -> None:
    connection = sqlite(url)
    # Whatever happens to this file meanwhile, it can be made anew: no journal, no waiting.
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
        connection.execute(f"PRAGMA {pragma}")
    for table in _DIFFERENT:
        connection.execute(_keep(table))
    [(newest, head)] = connection.execute(_NEWEST)
    for copy in range(1, copies + 1):
        connection.execute("BEGIN IMMEDIATE")
        for statement in _Copy(copy, newest, head, sqlite=True).statements():
            connection.execute(statement)
        connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


_NEWEST = "SELECT max(id), (SELECT seq FROM log_head) FROM signals"


def _keep(table: str) -> str:
    return f"CREATE TEMP TABLE original_{table} AS SELECT * FROM {table}"  # noqa: S608 - ours


@dataclass(frozen=True, slots=True)
class _Copy:
    """One clone of all originals; `newest` is their last id, `head` their last number."""

    copy: int
    newest: str
    head: int
    sqlite: bool

    def statements(self) -> Iterator[str]:
        for table, different in _DIFFERENT.items():
            if table == "deliveries" and self.copy % _DELIVERED:
                continue
            names = SQLModel.metadata.tables[table].columns.keys()
            values = [self._value(name, different.get(name, "same")) for name in names]
            yield (
                f"INSERT INTO {table} ({', '.join(names)})"  # noqa: S608 - all of it ours
                f" SELECT {', '.join(values)} FROM original_{table} ORDER BY 1"
            )
        yield f"UPDATE log_head SET seq = {self.head * (self.copy + 1)}"  # noqa: S608

    def _value(self, column: str, what: str) -> str:
        prefix = int(self.newest[:8], 16) - self.copy * _OLDER
        written = {
            "same": column,
            "id": f"'{prefix:08x}' || substr({column}, 9)",
            "name": f"'{cloned('', self.copy)}' || {column}",
            "seq": f"{column} + {self.head * self.copy}",
            "day": f"{column} - {self.copy * _DAYS}",
            "there": self._earlier(column, self.copy * _DAYS * 24),
            "here": self._earlier(column, self.copy * _HOURS),
            "nothing": "NULL",
            "empty": "'{}'",
        }
        return written[what]

    def _earlier(self, column: str, hours: int) -> str:
        if self.sqlite:
            return f"strftime('%Y-%m-%dT%H:%M:%f', {column}, '-{hours} hours') || '000+00:00'"
        return f"{column} - interval '{hours} hours'"
