"""Signals that stay rows: what is selected is read out of the row.

A projection takes what it needs by `columns`, and makes no object. To everything else it is a
Signal like others, made whole when its first attribute is read.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson

from hub.graphql.columns import Columns, Nested, RowBacked, unplain
from hub.graphql.types import Signal, signal_type
from hub.store.rows import PLACES, Row, read_row, time_text


def _named(which: str) -> Nested:
    """Say where an account or a person stands."""
    id_ = f"{{{which}_id}}"
    return Nested({"id": id_, "name": f"{{{which}_name}}"}, present=id_)


_AS_THEY_ARE = (
    *("id", "kind", "department", "title", "summary", "body", "url", "external_id", "revision"),
    *("origin", "severity", "status", "classification", "thread"),
)
_TIMES = ("occurred_at", "received_at", "updated_at")


def _finite(number: float | None) -> float | None:
    return number if number is None or number - number == 0 else unplain()


class StoredSignal(RowBacked, Signal):
    columns: ClassVar[Columns] = {
        **{name: f"{{{name}}}" for name in _AS_THEY_ARE},
        **{name: f"time_text({{{name}}})" for name in _TIMES},
        **{name: f"loads({{{name}}})" for name in ("labels", "attributes")},
        **{name: _named(name) for name in ("account", "author", "owner")},
        # Whoever has outlines is shown whole signals, and no rows: see `hub.graphql.feed`.
        "outline": "False",
        "sentiment": "finite({sentiment})",
        "source": Nested({"id": "'source:' + {source}", "name": "{source}"}),
    }
    places: ClassVar[Mapping[str, int]] = PLACES

    names: ClassVar[Mapping[str, Any]] = {
        "time_text": time_text,
        "loads": orjson.loads,
        "finite": _finite,
    }

    def __init__(self, row: Row) -> None:
        self.row = row

    def __getattr__(self, name: str) -> Any:
        """Become whole: reached where an attribute is not there yet."""
        if name.startswith("__") or "id" in self.__dict__:
            raise AttributeError(name)
        self.__dict__ |= vars(signal_type(read_row(self.row)))
        return getattr(self, name)
