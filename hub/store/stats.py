"""How many signals a condition lets through, in all or of each sort."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import DateTime, Text, case, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.access import Condition
from hub.kinds import Family, Severity, kinds_of
from hub.signals import Account
from hub.store.columns import among
from hub.store.tables import AccountRow, SignalRow
from hub.store.visible import page_condition


class Dimension(StrEnum):
    TIME = "time"
    DEPARTMENT = "department"
    KIND = "kind"
    FAMILY = "family"
    SOURCE = "source"
    ACCOUNT = "account"
    SEVERITY = "severity"
    STATUS = "status"


class Interval(StrEnum):
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


# How much of a time, as SQLite keeps it, names an interval.
_LETTERS = {Interval.HOUR: 13, Interval.DAY: 10, Interval.WEEK: 10, Interval.MONTH: 7}


async def count_signals(connection: AsyncConnection, visible: Condition) -> int:
    """Count the signals that a condition lets through: reads as many, so only when asked."""
    condition = page_condition(visible, sqlite=connection.dialect.name == "sqlite", by_time=True)
    wanted = select(func.count()).select_from(SignalRow).where(condition)
    return await connection.scalar(wanted) or 0


async def signal_stats(
    connection: AsyncConnection,
    visible: Condition,
    dimensions: Sequence[Dimension],
    interval: Interval,
    most: int,
) -> list[tuple[dict[Dimension, Any], int]] | None:
    """Count signals by their sorts, in the order of these; None for more sorts than `most`."""
    sqlite = connection.dialect.name == "sqlite"
    each = (
        select(*(_column(one, interval, sqlite=sqlite).label(one) for one in dimensions))
        .where(page_condition(visible, sqlite=sqlite, by_time=True))
        .subquery()
    )
    counted = select(*each.c, func.count().label("n")).group_by(*each.c).limit(most + 1)
    rows = list(await connection.execute(counted))
    if len(rows) > most:
        return None
    accounts = {}
    if Dimension.ACCOUNT in dimensions:
        accounts = await _accounts(connection, rows)
    # Sorted here: the engines do not agree on where nothing stands.
    found = [(tuple(row)[:-1], row.n) for row in rows]
    found.sort(key=lambda one: [(value is not None, value) for value in one[0]])
    return [
        (
            {
                of: _read(of, value, accounts)
                for of, value in zip(dimensions, values, strict=True)
                if value is not None
            },
            count,
        )
        for values, count in found
    ]


async def _accounts(connection: AsyncConnection, rows: Sequence[Any]) -> dict[str, Account]:
    ids = {row.account for row in rows if row.account is not None}
    id_, name = col(AccountRow.id), col(AccountRow.name)
    named = await connection.execute(select(id_, name).where(among(id_, ids)))
    return {row.id: Account(row.id, row.name) for row in named}


def _column(of: Dimension, interval: Interval, *, sqlite: bool) -> Any:
    match of:
        case Dimension.TIME:
            return _time(interval, sqlite=sqlite)
        case Dimension.FAMILY:
            known = [(sorted(kinds_of(one)), one.value) for one in Family]
            kind = col(SignalRow.kind)
            return case(
                *((kind.in_(kinds), name) for kinds, name in known if kinds),
                else_=Family.GENERIC.value,
            )
        case Dimension.ACCOUNT:
            return col(SignalRow.account_id)
        case _:
            return col(getattr(SignalRow, of.value))


def _time(interval: Interval, *, sqlite: bool) -> Any:
    """Give when an interval began, in UTC."""
    at = col(SignalRow.occurred_at)
    if not sqlite:
        utc = func.timezone(literal_column("'UTC'"), at)
        return func.date_trunc(literal_column(f"'{interval.value}'"), utc, type_=DateTime())
    text = func.substr(at, 1, _LETTERS[interval], type_=Text())
    if interval is Interval.WEEK:
        # The Monday that is not after six days before it.
        return func.date(text, "-6 days", "weekday 1", type_=Text())
    return text


def _read(of: Dimension, value: Any, accounts: dict[str, Account]) -> Any:
    match of:
        case Dimension.TIME if isinstance(value, datetime):
            return value.replace(tzinfo=UTC)
        case Dimension.TIME:
            return _began(value)
        case Dimension.ACCOUNT:
            return accounts.get(value)
        case Dimension.SEVERITY:
            return Severity(value)
        case _:
            return value


def _began(text: str) -> datetime:
    """Read the beginning of a time: 2026-11, 2026-11-02 or 2026-11-02T09."""
    return datetime.fromisoformat(f"{text}{'0000-01-01T00'[len(text) :]}:00+00:00")
