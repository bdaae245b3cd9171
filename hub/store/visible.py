"""Turns the condition tree of `hub.access` into SQL over the signals table."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, UnaryExpression, and_, false, not_, or_, true
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.sql.elements import BooleanClauseList
from sqlalchemy.sql.operators import custom_op
from sqlmodel import col

from hub.access import (
    AllOf,
    Always,
    AnyOf,
    AtLeast,
    AtMost,
    Before,
    Condition,
    HasLabel,
    In,
    Never,
    Not,
    Says,
    Since,
)
from hub.store.columns import TEXT, has_one
from hub.store.search import says
from hub.store.tables import SignalRow
from hub.words import read_query

MOST_TERMS: Final = 64  # in one row of ANDs or ORs

_COLUMNS = {
    "kind": col(SignalRow.kind),
    "department": col(SignalRow.department),
    "source": col(SignalRow.source),
    "status": col(SignalRow.status),
    "account": col(SignalRow.account_id),
    "classification": col(SignalRow.classification),
    "severity": col(SignalRow.severity),
}


def compile_condition(
    condition: Condition, *, sqlite: bool, lead: Condition | None = None, in_time: bool = False
) -> ColumnElement[bool]:
    """Compile a condition to a WHERE clause that agrees with `hub.access.holds`.

    PostgreSQL chooses its way by how frequent values are. SQLite, which does not count them, goes
    by any index that fits, and sorts what it finds, be that half of all signals: so there only what
    is to lead the way is compared in a form that indexes take; see `page_condition`.
    """
    return _Writer(sqlite, lead, in_time).write(condition)


def page_condition(
    condition: Condition, *, sqlite: bool, by_time: bool = False
) -> ColumnElement[bool]:
    """Compile it for a statement over signals that is to be led by an index, as it is in order.

    One account's signals are few. Those of one kind or source stand in the order of time: where
    that is asked for (`by_time`), there is nothing to sort.
    """
    return compile_condition(
        condition, sqlite=sqlite, lead=_lead(condition, by_time=by_time), in_time=by_time
    )


def _lead(condition: Condition, *, by_time: bool) -> Condition | None:
    """Find the part that lets fewest through, of those that have an index of their own."""
    parts = {one.field: one for one in _parts(condition) if len(one.values) == 1}
    for field in ("account", "kind", "source") if by_time else ("account",):
        one = parts.get(field)
        if one is not None and not any(value.endswith("*") for value in one.values):
            return one
    return None


def _parts(condition: Condition) -> Iterator[In]:
    match condition:
        case In():
            yield condition
        case AllOf(of):
            for part in of:
                yield from _parts(part)


@dataclass(frozen=True, slots=True)
class _Writer:
    sqlite: bool
    lead: Condition | None
    in_time: bool

    def write(self, condition: Condition) -> ColumnElement[bool]:  # noqa: C901, PLR0911, PLR0912 - a line a node
        match condition:
            case Always():
                return true()
            case Never():
                return false()
            case In(field, values):
                column: Any = _COLUMNS[field]
                column = column if condition is self.lead else self.judged(column)
                if field == "kind":
                    return _kinds(column, values)
                # NULL is in no set, also under NOT: as None is in no frozenset.
                return and_(column.is_not(None), column.in_(sorted(values)))
            case AtMost(field, value):
                return self.judged(_COLUMNS[field]) <= value
            case AtLeast(field, value):
                return self.judged(_COLUMNS[field]) >= value
            case Since(at):
                return self.occurred_at >= datetime.fromisoformat(at)
            case Before(at):
                return self.occurred_at < datetime.fromisoformat(at)
            case HasLabel(values):
                return _labels(values, sqlite=self.sqlite)
            case Says(query):
                return says(read_query(query), sqlite=self.sqlite)
            case Not(of):
                return not_(self.write(of))
            case AllOf(of):
                return _shallow(and_, and_(true(), *map(self.write, of)))
            case AnyOf(of):
                return _shallow(or_, or_(false(), *map(self.write, of)))

    @property
    def occurred_at(self) -> ColumnElement[Any]:
        at: Any = col(SignalRow.occurred_at)
        return self.judged(at) if not self.in_time else at

    def judged(self, column: Any) -> ColumnElement[Any]:
        """Keep SQLite from going by an index of this column."""
        if not self.sqlite:
            plain: ColumnElement[Any] = column
            return plain
        return UnaryExpression(column, operator=custom_op("+"), type_=column.type)


def _shallow(
    join: Callable[..., ColumnElement[bool]], joined: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Part a long row of terms: to SQLite each is one level more, of 1,000 that it takes.

    SQLAlchemy takes rows within rows apart; what is compared with true stays together.
    """
    terms = list(joined.clauses) if isinstance(joined, BooleanClauseList) else []
    if len(terms) <= MOST_TERMS:
        return joined
    parts = (terms[start : start + MOST_TERMS] for start in range(0, len(terms), MOST_TERMS))
    return join(*(join(*part).is_(true()) for part in parts))


def _kinds(kind: Any, patterns: frozenset[str]) -> ColumnElement[bool]:
    exact = sorted(pattern for pattern in patterns if not pattern.endswith("*"))
    starts = sorted(pattern[:-1] for pattern in patterns if pattern.endswith(".*"))
    parts: list[ColumnElement[bool]] = [true()] if "*" in patterns else []
    if exact:
        parts.append(kind.in_(exact))
    # Not LIKE: it ignores case on SQLite, and `_` is a wildcard. After `sales.` comes `sales/`.
    parts.extend(and_(kind >= start, kind < f"{start[:-1]}/") for start in starts)
    return or_(false(), *parts)


def _labels(values: frozenset[str], *, sqlite: bool) -> ColumnElement[bool]:
    labels = col(SignalRow.labels)
    if not sqlite:
        return labels.op("?|", is_comparison=True)(array(sorted(values), type_=TEXT))
    return has_one(labels, values)
