"""The signals about many accounts, or naming many people: a page or a count of each, at once."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import FromClause, Select, TableValuedAlias, func, or_, select, union
from sqlalchemy import true as always
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.access import Condition
from hub.kinds import Department
from hub.signals import Signal
from hub.store import log
from hub.store.columns import listed
from hub.store.names import Row, named_in
from hub.store.pages import Found, Order, Window, falls, keys_of, keyset
from hub.store.signals import read_signal, select_signals
from hub.store.tables import SignalRow, table
from hub.store.visible import compile_condition


@dataclass(frozen=True, slots=True)
class Asked:
    """Which page of the signals of each account or person: the same for all that ask at once."""

    rows: Row
    visible: Condition
    order: Order
    window: Window


async def pages_about(
    connection: AsyncConnection, asked: Asked, ids: Iterable[str]
) -> Mapping[str, Found[Signal]]:
    """Read a page of the signals of each of these ids, in one statement."""
    wanted_ids = list(dict.fromkeys(ids))
    # Before the rows: who goes on from here hears of some change twice rather than not at all.
    head = await log.head(connection)
    found: dict[str, list[Any]] = {id_: [] for id_ in wanted_ids}
    for row in await connection.execute(
        _statement(asked, wanted_ids, sqlite=connection.dialect.name == "sqlite")
    ):
        found[row.about].append(row)
    return {id_: _page(asked, rows, head) for id_, rows in found.items()}


def _statement(asked: Asked, ids: Sequence[str], *, sqlite: bool) -> Select[Any]:
    """Walk the index of each owner as far as its page reaches, then read those signals whole."""
    owners = listed(ids, sqlite=sqlite)
    first = _firsts(asked, owners, sqlite=sqlite)
    if sqlite:  # which has no LATERAL, and evaluates this once an owner
        each: FromClause = table(SignalRow).alias("each")
        joined = owners.join(each, each.c.id.in_(first))
    else:
        each = first.lateral("each")
        joined = owners.join(each, always())
    pairs = select(owners.c.value.label("about"), each.c.id).select_from(joined)
    about = pairs.subquery("about")
    downward = falls(asked.order) is not asked.window.backward
    keys = [col(getattr(SignalRow, name)) for name in keys_of(asked.order)]
    return (
        select_signals(about.c.about)
        .join(about, about.c.id == col(SignalRow.id))
        .order_by(*(key.desc() if downward else key.asc() for key in keys))
    )


def _firsts(asked: Asked, owners: TableValuedAlias, *, sqlite: bool) -> Select[Any]:
    """Select the ids of one owner's page, and one more."""
    condition = compile_condition(asked.visible, sqlite=sqlite)
    names = keys_of(asked.order)
    keys = [col(getattr(SignalRow, name)) for name in names]
    parts: list[Select[Any]] = []
    for column in named_in(asked.rows):
        wanted: Any = select(*keys).where(column == owners.c.value, condition)
        of_one = keyset(wanted, keys, asked.window, descending=falls(asked.order))
        parts.append(of_one.correlate(owners))
    if len(parts) == 1:
        return parts[0].with_only_columns(col(SignalRow.id))
    # A person may be author and owner of one signal: each index is walked, and they are united.
    both = union(*(select(part.subquery()) for part in parts)).subquery("both")
    downward = falls(asked.order) is not asked.window.backward
    ordered = (both.c[name].desc() if downward else both.c[name].asc() for name in names)
    return select(both.c.id).order_by(*ordered).limit(asked.window.size + 1)


def _page(asked: Asked, rows: Sequence[Any], head: int) -> Found[Signal]:
    window = asked.window
    more = len(rows) > window.size
    kept = list(rows[: window.size])
    if window.backward:
        kept.reverse()
    names = keys_of(asked.order)
    return Found(
        [(tuple(getattr(row, name) for name in names), read_signal(row)) for row in kept],
        has_next=window.before is not None if window.backward else more,
        has_previous=more if window.backward else window.after is not None,
        head=head,
    )


async def counts_about(
    connection: AsyncConnection, rows: Row, visible: Condition, ids: Iterable[str]
) -> Mapping[str, Mapping[Department, int]]:
    """Count the signals of each of these ids by department: reads as many."""
    wanted_ids = list(dict.fromkeys(ids))
    sqlite = connection.dialect.name == "sqlite"
    owners = listed(wanted_ids, sqlite=sqlite)
    department = col(SignalRow.department)
    names = or_(*(column == owners.c.value for column in named_in(rows)))
    counted = (
        select(owners.c.value.label("about"), department, func.count().label("n"))
        .select_from(owners.join(SignalRow, names))
        .where(compile_condition(visible, sqlite=sqlite))
        .group_by(owners.c.value, department)
    )
    found: dict[str, Counter[Department]] = {id_: Counter() for id_ in wanted_ids}
    for row in await connection.execute(counted):
        found[row.about][Department(row.department)] = row.n
    return found
