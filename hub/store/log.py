"""The change log: numbers in commit order, appended to and never changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.signals import ChangeType, Facts
from hub.store.tables import ChangeRow, LogHead

CHANGES = (
    col(ChangeRow.seq),
    col(ChangeRow.signal_id),
    col(ChangeRow.revision_id),
    col(ChangeRow.type),
    col(ChangeRow.at),
    col(ChangeRow.was),
    col(ChangeRow.now),
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
    last: int | None = await connection.scalar(
        update(LogHead)
        .where(col(LogHead.id) == 1)
        .values(seq=LogHead.seq + count)
        .returning(col(LogHead.seq))
    )
    assert last is not None, "log_head has no row: the migrations have not run"
    return last - count + 1


async def append(connection: AsyncConnection, changes: Sequence[Change]) -> None:
    rows = [
        {
            "seq": change.seq,
            "signal_id": change.signal_id,
            "revision_id": change.revision_id,
            "type": change.type,
            "at": change.at,
            "was": _packed(change.was) if change.was else None,
            "now": _packed(change.now),
        }
        for change in changes
    ]
    if rows:
        await connection.execute(insert(ChangeRow), rows)


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


def _packed(facts: Facts) -> dict[str, Any]:
    return {
        "kind": facts.kind,
        "department": facts.department,
        "classification": int(facts.classification),
        "source": facts.source,
        "severity": int(facts.severity),
        "status": facts.status,
        "occurred_at": facts.occurred_at,
        "account": facts.account,
        "author": facts.author,
        "labels": list(facts.labels),
        "scores": dict(facts.scores),
    }


def _unpacked(data: Mapping[str, Any]) -> Facts:
    given: dict[str, Any] = {**data, "labels": tuple(data["labels"])}
    return Facts(**given)


async def oldest(connection: AsyncConnection) -> int | None:
    """Give the first number that the log still has."""
    first: int | None = await connection.scalar(select(func.min(col(ChangeRow.seq))))
    return first
