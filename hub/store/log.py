"""The change log: numbers in commit order, appended to and never changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.signals import ChangeType, Facts
from hub.store.columns import given
from hub.store.driver import Prebuilt
from hub.store.insert import Insert
from hub.store.tables import ChangeRow, LogHead, table

CHANGES = (
    col(ChangeRow.seq),
    col(ChangeRow.signal_id),
    col(ChangeRow.revision_id),
    col(ChangeRow.type),
    col(ChangeRow.at),
    col(ChangeRow.was),
    col(ChangeRow.now),
)
_BEYOND = 2**62  # no log is so long

_INSERT = Insert(table(ChangeRow), ("seq", "signal_id", "revision_id", "type", "at", "was", "now"))

_TAKE = Prebuilt(
    update(LogHead)
    .where(col(LogHead.id) == 1)
    .values(seq=LogHead.seq + given("count"))
    .returning(col(LogHead.seq))
)


@dataclass(frozen=True, slots=True)
class Change:
    """A line of the log: which signal became what, and the facts before and after."""

    seq: int
    signal_id: str
    revision_id: str | None
    type: ChangeType
    at: datetime
    was: Facts | None
    now: Facts


async def take_numbers(connection: AsyncConnection, count: int) -> int:
    """Take `count` numbers and return the first; others wait until this transaction ends."""
    rows = await _TAKE.rows(connection, count=count)
    assert rows, "log_head has no row: the migrations have not run"
    last: int = rows[0][0]
    return last - count + 1


async def hold(connection: AsyncConnection) -> int:
    """Give the newest number, and keep others from taking one until this transaction ends.

    Every writer that takes numbers and touches rows that others touch too begins here or takes
    the number first: always in this order, so that no two wait for each other.
    """
    wanted = select(col(LogHead.seq)).where(col(LogHead.id) == 1).with_for_update()
    return (await connection.execute(wanted)).scalar_one()


async def append(connection: AsyncConnection, changes: Sequence[Change]) -> None:
    # The facts are written as they are: JSON of their fields.
    await _INSERT.rows(
        connection,
        [
            (one.seq, one.signal_id, one.revision_id, one.type, one.at, one.was, one.now)
            for one in changes
        ],
    )


async def head(connection: AsyncConnection) -> int:
    """Give the newest number that is committed; 0 when nothing has happened yet."""
    return await connection.scalar(select(col(LogHead.seq)).where(col(LogHead.id) == 1)) or 0


async def after(connection: AsyncConnection, seq: int, limit: int) -> list[Change]:
    """Read the log after a number, oldest first."""
    rows = await connection.execute(
        select(*CHANGES).where(col(ChangeRow.seq) > seq).order_by(col(ChangeRow.seq)).limit(limit)
    )
    return [read_change(row) for row in rows]


def read_change(row: Any) -> Change:
    return Change(
        row.seq,
        row.signal_id,
        row.revision_id,
        ChangeType(row.type),
        row.at,
        _unpacked(row.was) if row.was else None,
        _unpacked(row.now),
    )


def _unpacked(data: Mapping[str, Any]) -> Facts:
    labels = data["labels"]
    given: dict[str, Any] = {**data, "labels": None if labels is None else tuple(labels)}
    return Facts(**given)


async def oldest(connection: AsyncConnection) -> int:
    """Give the first number that the log still has, or will have."""
    first: int | None = await connection.scalar(select(func.min(col(ChangeRow.seq))))
    return first if first is not None else await head(connection) + 1


async def reaches(connection: AsyncConnection, seq: int) -> bool:
    """Tell whether nothing is missing between a number and what the log has after it.

    Asked after reading what follows, so that lines which are trimmed meanwhile are missed in no
    page. False also for a number that this log never had: a database that was restored skips some.
    """
    if seq == await head(connection):
        return True
    near: int | None = await connection.scalar(
        select(col(ChangeRow.seq)).where(col(ChangeRow.seq).in_([seq, seq + 1])).limit(1)
    )
    return near is not None


async def erase_labels(connection: AsyncConnection, signal_ids: Sequence[str]) -> None:
    """Take the words out of the lines about these signals; what access judges stays."""
    about = update(ChangeRow).where(col(ChangeRow.signal_id).in_(signal_ids))
    without = {
        name: _without(connection, facts, "labels", "[]")
        for name, facts in (("was", col(ChangeRow.was)), ("now", col(ChangeRow.now)))
    }
    await connection.execute(about.values(without))


def _without(connection: AsyncConnection, facts: Any, key: str, value: str) -> Any:
    """Build facts whose part is replaced; facts that are NULL stay so."""
    part: Any
    empty: Any
    if connection.dialect.name == "postgresql":
        part, empty = literal_column(f"'{{{key}}}'::text[]"), literal_column(f"'{value}'::jsonb")
        return func.jsonb_set(facts, part, empty, type_=facts.type)
    part, empty = literal_column(f"'$.{key}'"), literal_column(f"json('{value}')")
    return func.json_set(facts, part, empty, type_=facts.type)


async def trim(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete lines that are older, from the oldest on; give how many."""
    at, seq = col(ChangeRow.at), col(ChangeRow.seq)
    kept = select(seq).where(at >= before).order_by(seq).limit(1).scalar_subquery()
    old = select(seq).where(seq < func.coalesce(kept, _BEYOND)).order_by(seq).limit(limit)
    done = await connection.execute(delete(ChangeRow).where(seq.in_(old.scalar_subquery())))
    return done.rowcount
