"""Statements that are compiled once for each question, to the text and the values of the driver.

They are kept by what they depend on: the condition, the order, the size, and which keys are given.
The keys themselves are parameters, so paging on compiles nothing.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Dialect, Select
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite

MOST_STATEMENTS = 1024


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement as the driver takes it. `values`: what is bound, in its order.

    A `_Key` among them is bound when the statement is executed.
    """

    sql: str
    values: tuple[Any, ...]

    def bound(self, **keys: Sequence[Any] | None) -> list[Any]:
        """Give the values to bind, with the keys `after` and `before`."""
        return [one.of(keys) if type(one) is _Key else one for one in self.values]


@dataclass(frozen=True, slots=True)
class _Key:
    side: str
    place: int
    process: Callable[[Any], Any] | None

    def of(self, keys: Mapping[str, Sequence[Any] | None]) -> Any:
        key = keys[self.side]
        assert key is not None
        value = key[self.place]
        return self.process(value) if self.process is not None else value


@dataclass(slots=True)
class Statements:
    """What was compiled last, for one engine."""

    dialect: Dialect
    _kept: OrderedDict[Hashable, Prepared] = field(default_factory=OrderedDict)

    def get(self, key: Hashable, build: Callable[[], Select[Any]]) -> Prepared:
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return kept
        prepared = self._kept[key] = _prepared(build(), self.dialect)
        if len(self._kept) > MOST_STATEMENTS:
            self._kept.popitem(last=False)
        return prepared


def _prepared(statement: Select[Any], dialect: Dialect) -> Prepared:
    compiled: Any = statement.compile(dialect=dialect)
    state = compiled.construct_expanded_state()
    processors = {**compiled._bind_processors, **state.processors}  # noqa: SLF001 - as a cursor does
    values: list[Any] = []
    for name in state.positiontup:
        process = processors.get(name)
        side, _, place = name.partition("_")
        if side in {"after", "before"} and place.isdigit():
            values.append(_Key(side, int(place), process))
        else:
            value = state.parameters[name]
            values.append(process(value) if process is not None else value)
    return Prepared(state.statement, tuple(values))


def statements(*, sqlite: bool) -> Statements:
    make: Any = SQLiteDialect_aiosqlite if sqlite else PGDialect_asyncpg
    return Statements(make())
