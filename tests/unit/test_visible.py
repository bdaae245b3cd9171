"""The largest filters that are allowed are statements that SQLite takes."""

import sqlite3

import pytest
from sqlalchemy import select
from sqlmodel import col

from hub.access import Condition, HasLabel, In, all_of, any_of
from hub.graphql.filters import MOST_FILTERS, MOST_VALUES
from hub.store.prepared import statements
from hub.store.tables import SignalRow
from hub.store.visible import compile_condition


def kinds(number: int) -> Condition:
    return In("kind", frozenset(f"a{number}.b{value}.*" for value in range(MOST_VALUES)))


def labels(number: int) -> Condition:
    return all_of(*(HasLabel(frozenset({f"{number}.{value}"})) for value in range(MOST_VALUES)))


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (any_of(*map(kinds, range(MOST_FILTERS - 1))), ["mine"]),
        (all_of(*map(labels, range(MOST_FILTERS - 1))), []),
    ],
    ids=["kinds", "labels"],
)
def test_the_largest_filters_are_not_too_deep(condition: Condition, found: list[str]) -> None:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE signals (id, kind, labels)")
    database.execute("INSERT INTO signals VALUES ('mine', 'a7.b7.c', '[]'), ('x', 'b', '[]')")
    wanted = select(col(SignalRow.id)).where(compile_condition(condition, sqlite=True))
    prepared = statements(sqlite=True).get("largest", lambda: wanted)
    assert [id_ for (id_,) in database.execute(prepared.sql, prepared.values)] == found
    database.close()
