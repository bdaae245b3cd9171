"""Turns the condition tree of `hub.access` into SQL over the signals table."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, false, func, not_, or_, select, true
from sqlalchemy.dialects.postgresql import array
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
from hub.store.columns import TEXT
from hub.store.search import says
from hub.store.tables import SignalRow
from hub.words import read_query

_COLUMNS = {
    "kind": col(SignalRow.kind),
    "department": col(SignalRow.department),
    "source": col(SignalRow.source),
    "status": col(SignalRow.status),
    "account": col(SignalRow.account_id),
    "classification": col(SignalRow.classification),
    "severity": col(SignalRow.severity),
}


def compile_condition(condition: Condition, *, sqlite: bool) -> ColumnElement[bool]:  # noqa: C901, PLR0911, PLR0912 - a line a node
    """Compile a condition to a WHERE clause that agrees with `hub.access.holds`."""
    match condition:
        case Always():
            return true()
        case Never():
            return false()
        case In("kind", values):
            return _kinds(values)
        case In(field, values):
            # NULL is in no set, also under NOT: as None is in no frozenset.
            column = _COLUMNS[field]
            return and_(column.is_not(None), column.in_(sorted(values)))
        case AtMost(field, value):
            return _COLUMNS[field] <= value
        case AtLeast(field, value):
            return _COLUMNS[field] >= value
        case Since(at):
            return col(SignalRow.occurred_at) >= datetime.fromisoformat(at)
        case Before(at):
            return col(SignalRow.occurred_at) < datetime.fromisoformat(at)
        case HasLabel(values):
            return _labels(values, sqlite=sqlite)
        case Says(query):
            return says(read_query(query), sqlite=sqlite)
        case Not(of):
            return not_(compile_condition(of, sqlite=sqlite))
        case AllOf(of):
            return and_(true(), *(compile_condition(part, sqlite=sqlite) for part in of))
        case AnyOf(of):
            return or_(false(), *(compile_condition(part, sqlite=sqlite) for part in of))


def _kinds(patterns: frozenset[str]) -> ColumnElement[bool]:
    kind = col(SignalRow.kind)
    exact = sorted(pattern for pattern in patterns if not pattern.endswith("*"))
    starts = sorted(pattern[:-1] for pattern in patterns if pattern.endswith(".*"))
    parts: list[ColumnElement[bool]] = [true()] if "*" in patterns else []
    if exact:
        parts.append(kind.in_(exact))
    # Not LIKE: it ignores case on SQLite, and `_` is a wildcard.
    parts.extend(func.substr(kind, 1, len(start)) == start for start in starts)
    return or_(false(), *parts)


def _labels(values: frozenset[str], *, sqlite: bool) -> ColumnElement[bool]:
    labels = col(SignalRow.labels)
    if sqlite:
        each = func.json_each(labels).table_valued("value")
        return select(1).select_from(each).where(each.c.value.in_(sorted(values))).exists()
    return func.jsonb_exists_any(labels, array(sorted(values), type_=TEXT))
