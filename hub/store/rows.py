"""Pages of signals as bare rows, by prebuilt statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from types import SimpleNamespace
from typing import Any, Final

import orjson
from sqlalchemy import Select
from sqlmodel import col

from hub.access import Condition
from hub.signals import Signal
from hub.store.engine import Store
from hub.store.pages import HEAD, Found, Order, Window, falls, keys_of, keyset
from hub.store.signals import read_signal, select_signals
from hub.store.tables import SignalRow
from hub.store.visible import page_condition

PLACES: Final = {
    str(column.key): place for place, column in enumerate(select_signals().selected_columns)
}
"""Where in a row what of a signal stands."""
LOG_HEAD: Final = "log_head"
_TIMES = [name for name in PLACES if name.endswith("_at")]
_JSON = ("labels", "attributes")

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a page. `head`: the log's, where it was asked for."""

    rows: Sequence[Row]
    has_next: bool
    has_previous: bool
    head: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """A page of signals that is prepared, to be read as often as it is asked for.

    `head`: where in a row the head of the log stands, if it is read.
    """

    sql: str
    values: Sequence[Any]
    window: Window
    head: int | None

    async def read(self, store: Store) -> Rows:
        rows = await store.rows(self.sql, self.values)
        head = None
        if self.head is not None:
            if not rows:
                # Nothing carried the head of the snapshot: take it first, then look once more.
                head = (await store.rows("SELECT seq FROM log_head WHERE id = 1", ()))[0][0]
                rows = await store.rows(self.sql, self.values)
            head = rows[0][self.head] if rows else head
        window = self.window
        more = len(rows) > window.size
        if more:
            rows = rows[: window.size]
        return Rows(
            rows[::-1] if window.backward else rows,
            has_next=window.before is not None if window.backward else more,
            has_previous=more if window.backward else window.after is not None,
            head=head,
        )


def reading(
    store: Store,
    visible: Condition,
    order: Order,
    window: Window,
    columns: Sequence[str] | None = None,
) -> Reading:
    """Prepare a page: of whole signals at `PLACES`, or of these columns; LOG_HEAD is the last."""
    names = list(PLACES) if columns is None else [name for name in columns if name != LOG_HEAD]
    with_head = columns is None or LOG_HEAD in columns

    def build() -> Select[Any]:
        whole = select_signals(HEAD)
        taken = [whole.selected_columns[name] for name in names]
        wanted: Any = whole.with_only_columns(*taken, *([HEAD] if with_head else []))
        keys = [col(getattr(SignalRow, name)) for name in keys_of(order)]
        wanted = wanted.where(
            page_condition(
                visible, sqlite=store.is_sqlite, by_time=keys_of(order)[0] == "occurred_at"
            )
        )
        return keyset(wanted, keys, window, descending=falls(order))

    shape = (order, window.size, window.backward, window.after is None, window.before is None)
    prepared = store.statements.get((visible, shape, tuple(names), with_head), build)
    values = prepared.bound(after=window.after, before=window.before)
    return Reading(prepared.sql, values, window, len(names) if with_head else None)


async def signal_rows(store: Store, visible: Condition, order: Order, window: Window) -> Found[Row]:
    """Read a page as `signals_page` does, as rows whose columns stand at `PLACES`."""
    found = await reading(store, visible, order, window).read(store)
    assert found.head is not None
    key = itemgetter(*(PLACES[name] for name in keys_of(order)))
    return Found(
        [(key(row), row) for row in found.rows],  # on SQLite the time is a text: see `iso`
        has_next=found.has_next,
        has_previous=found.has_previous,
        head=found.head,
    )


def read_row(row: Row) -> Signal:
    """Make a whole signal of a row."""
    values = {name: row[place] for name, place in PLACES.items()}
    for name in _TIMES:
        values[name] = _time(values[name])
    for name in _JSON:
        values[name] = orjson.loads(values[name])
    return read_signal(SimpleNamespace(**values))


def _time(stored: Any) -> datetime:
    return stored if isinstance(stored, datetime) else datetime.fromisoformat(stored)


def time_text(stored: Any) -> str:
    """Write a time of a row as `datetime.isoformat` does."""
    if type(stored) is str:  # with its microseconds, as `hub.store.columns` keeps it
        return stored if stored[19:26] != ".000000" else stored[:19] + stored[26:]
    text: str = stored.isoformat()
    return text
