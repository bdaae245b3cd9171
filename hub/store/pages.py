"""Pages of signals, of a role's feed and of the log: keyset, both ways, never counting."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, and_, bindparam, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.access import Condition, Says, all_of
from hub.signals import Outcome, Relevance, Signal
from hub.store import log
from hub.store.relevance import read_relevance
from hub.store.search import rank, searched
from hub.store.signals import read_signal, select_signals
from hub.store.tables import ChangeRow, LogHead, RelevanceRow, SearchedRow, SignalRow
from hub.store.visible import compile_condition, page_condition
from hub.words import read_query

Item = TypeVar("Item")
Key = tuple[Any, ...]


class Order(StrEnum):
    NEWEST = "newest"
    OLDEST = "oldest"
    UPDATED = "updated"
    SEVERITY = "severity"
    RELEVANCE = "relevance"


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of an ordered list: so many after a key, or so many before one."""

    size: int
    after: Key | None = None
    before: Key | None = None
    backward: bool = False


@dataclass(frozen=True, slots=True)
class Found(Generic[Item]):
    """Items with their keys, whether there are more, and the log's head they were read at."""

    items: Sequence[tuple[Key, Item]]
    has_next: bool
    has_previous: bool
    head: int


@dataclass(frozen=True, slots=True)
class FeedItem:
    signal: Signal
    relevance: Relevance


_KEYS = {
    Order.UPDATED: ("updated_at", "id"),
    Order.SEVERITY: ("severity", "occurred_at", "id"),
}


def keys_of(order: Order) -> tuple[str, ...]:
    """Name the columns of signals that an order goes by, the last of which tells ties apart."""
    return _KEYS.get(order, ("occurred_at", "id"))


def falls(order: Order) -> bool:
    return order is not Order.OLDEST


HEAD = select(col(LogHead.seq)).where(col(LogHead.id) == 1).scalar_subquery().label("log_head")


async def signals_page(
    connection: AsyncConnection, visible: Condition, order: Order, window: Window
) -> Found[Signal]:
    """Read a page of the signals that a condition lets through."""
    sqlite = connection.dialect.name == "sqlite"
    names = keys_of(order)
    by_time = names[0] == "occurred_at"
    wanted = select_signals(HEAD).where(page_condition(visible, sqlite=sqlite, by_time=by_time))
    keys = [col(getattr(SignalRow, name)) for name in names]
    found = await _page(connection, wanted, keys, window, descending=falls(order))
    return _read(found, attrgetter(*names), read_signal)


async def search_page(
    connection: AsyncConnection, visible: Condition, says: Says, window: Window
) -> Found[Signal]:
    """Read a page of what has some words: what fits best first, of equals the newest."""
    sqlite = connection.dialect.name == "sqlite"
    fit = rank(read_query(says.query), sqlite=sqlite)
    wanted = (
        select_signals(HEAD, fit.label("fit"))
        .join(SearchedRow, searched())
        .where(compile_condition(all_of(visible, says), sqlite=sqlite))
    )
    keys = (fit, col(SignalRow.occurred_at), col(SignalRow.id))
    found = await _page(connection, wanted, keys, window, descending=True)
    return _read(found, lambda row: (row.fit, row.occurred_at, row.id), read_signal)


async def feed_page(
    connection: AsyncConnection, visible: Condition, role: str, least: float, window: Window
) -> Found[FeedItem]:
    """Read a page of what a role should hear: by day, then score, then newest."""
    sqlite = connection.dialect.name == "sqlite"
    wanted = select_signals(
        HEAD,
        col(RelevanceRow.role),
        col(RelevanceRow.day),
        col(RelevanceRow.score),
        col(RelevanceRow.seq),
        col(RelevanceRow.outcome),
        col(RelevanceRow.reasons),
    )
    wanted = _fed(wanted, visible, role, least, sqlite=sqlite)
    keys = (col(RelevanceRow.day), col(RelevanceRow.score), col(RelevanceRow.seq))
    found = await _page(connection, wanted, keys, window, descending=True)
    return _read(
        found,
        lambda row: (row.day, row.score, row.seq),
        lambda row: FeedItem(read_signal(row), read_relevance(row)),
    )


def _fed(
    wanted: Select[Any], visible: Condition, role: str, least: float, *, sqlite: bool
) -> Select[Any]:
    return wanted.join(RelevanceRow, and_(col(RelevanceRow.signal_id) == col(SignalRow.id))).where(
        col(RelevanceRow.role) == role,
        col(RelevanceRow.score) >= least,
        col(RelevanceRow.outcome) != Outcome.NOT_PERMITTED,
        compile_condition(visible, sqlite=sqlite),
    )


async def count_feed(
    connection: AsyncConnection, visible: Condition, role: str, least: float
) -> int:
    """Count all that `feed_page` gives: reads as many, so only when asked."""
    wanted = select(func.count()).select_from(SignalRow)
    sqlite = connection.dialect.name == "sqlite"
    return await connection.scalar(_fed(wanted, visible, role, least, sqlite=sqlite)) or 0


async def history_page(
    connection: AsyncConnection, signal_id: str, window: Window
) -> Found[log.Change]:
    """Read a signal's own lines of the log, oldest first."""
    wanted: Any = select(*log.CHANGES, HEAD).where(col(ChangeRow.signal_id) == signal_id)
    found = await _page(connection, wanted, (col(ChangeRow.seq),), window, descending=False)
    return _read(found, lambda row: (row.seq,), log.read_change)


@dataclass(frozen=True, slots=True)
class _Rows:
    rows: list[Any]
    more: bool
    window: Window
    head: int


def keyset(
    wanted: Select[Any], keys: Sequence[Any], window: Window, *, descending: bool
) -> Select[Any]:
    """Narrow to a window, in its order: one row more than it holds, which says whether more follow.

    The parts of its keys are parameters of their own: after_0, after_1; before_0, before_1.
    """
    parts = (("after", window.after, not descending), ("before", window.before, descending))
    for name, key, beyond in parts:
        if key is not None:
            left = tuple_(*keys)
            right = tuple_(
                *(
                    bindparam(f"{name}_{place}", value, of.type)
                    for place, (value, of) in enumerate(zip(key, keys, strict=True))
                )
            )
            wanted = wanted.where(left > right if beyond else left < right)
    downward = descending is not window.backward
    wanted = wanted.order_by(*(key.desc() if downward else key.asc() for key in keys))
    return wanted.limit(window.size + 1)


async def _page(
    connection: AsyncConnection,
    wanted: Select[Any],
    keys: Sequence[Any],
    window: Window,
    *,
    descending: bool,
) -> _Rows:
    wanted = keyset(wanted, keys, window, descending=descending)
    rows = list(await connection.execute(wanted))
    if rows:
        head = rows[0].log_head
    else:
        # Nothing carried the head of the snapshot: take it first, then look once more.
        head = await log.head(connection)
        rows = list(await connection.execute(wanted))
        head = rows[0].log_head if rows else head
    more = len(rows) > window.size
    rows = rows[: window.size]
    if window.backward:
        rows.reverse()
    return _Rows(rows, more, window, head)


def _read(found: _Rows, key: Any, read: Any) -> Found[Any]:
    window = found.window
    return Found(
        [(key(row), read(row)) for row in found.rows],
        has_next=window.before is not None if window.backward else found.more,
        has_previous=found.more if window.backward else window.after is not None,
        head=found.head,
    )
