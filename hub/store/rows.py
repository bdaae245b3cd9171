"""Pages of signals as bare rows, by prebuilt statements."""

from collections.abc import Sequence
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
from hub.store.visible import compile_condition

PLACES: Final = {
    str(column.key): place for place, column in enumerate(select_signals().selected_columns)
}
"""Where in a row what of a signal stands."""
_HEAD_PLACE = len(PLACES)
_TIMES = [name for name in PLACES if name.endswith("_at")]
_JSON = ("labels", "attributes")

Row = Sequence[Any]


async def signal_rows(store: Store, visible: Condition, order: Order, window: Window) -> Found[Row]:
    """Read a page as `signals_page` does, as rows whose columns stand at `PLACES`."""
    names = keys_of(order)

    def build() -> Select[Any]:
        wanted = select_signals(HEAD).where(compile_condition(visible, sqlite=store.is_sqlite))
        keys = [col(getattr(SignalRow, name)) for name in names]
        return keyset(wanted, keys, window, descending=falls(order))

    shape = (order, window.size, window.backward, window.after is None, window.before is None)
    prepared = store.statements.get((visible, shape), build)
    values = prepared.bound(after=window.after, before=window.before)
    rows = list(await store.rows(prepared.sql, values))
    if rows:
        head = rows[0][_HEAD_PLACE]
    else:
        # Nothing carried the head of the snapshot: take it first, then look once more.
        head = (await store.rows("SELECT seq FROM log_head WHERE id = 1", ()))[0][0]
        rows = list(await store.rows(prepared.sql, values))
        head = rows[0][_HEAD_PLACE] if rows else head
    more = len(rows) > window.size
    rows = rows[: window.size]
    if window.backward:
        rows.reverse()
    key = itemgetter(*(PLACES[name] for name in names))
    return Found(
        [(key(row), row) for row in rows],  # on SQLite the time is a text: see `iso`
        has_next=window.before is not None if window.backward else more,
        has_previous=more if window.backward else window.after is not None,
        head=head,
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
