"""SQLite takes the largest filters, and finds labels however they are written."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

import orjson
import pytest
from sqlalchemy import select
from sqlmodel import col

from hub.access import Condition, HasLabel
from hub.graphql.filters import MOST_IN_ALL, MOST_VALUES, SignalFilter
from hub.store.prepared import statements
from hub.store.tables import SignalRow
from hub.store.visible import compile_condition

PARTS = range(MOST_IN_ALL // MOST_VALUES)


def of_kinds(number: int) -> SignalFilter:
    return SignalFilter(kinds=[f"a{number}.b{value}.*" for value in range(MOST_VALUES)])


def of_labels(number: int) -> SignalFilter:
    return SignalFilter(all_labels=[f"{number}.{value}" for value in range(MOST_VALUES)])


def found(condition: Condition, *rows: tuple[str, str, str]) -> list[str]:
    """Give of rows (id, kind, labels) those that SQLite finds."""
    wanted = select(col(SignalRow.id)).where(compile_condition(condition, sqlite=True))
    prepared = statements(sqlite=True).get("found", lambda: wanted)
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE signals (id TEXT, kind TEXT, labels TEXT)")
        database.executemany("INSERT INTO signals VALUES (?, ?, ?)", rows)
        return [id_ for (id_,) in database.execute(prepared.sql, prepared.values)]


@pytest.mark.parametrize(
    ("largest", "wanted"),
    [
        (SignalFilter(or_=[of_kinds(one) for one in PARTS]), ["mine"]),
        (SignalFilter(and_=[of_labels(one) for one in PARTS]), []),
    ],
    ids=["kinds", "labels"],
)
def test_the_largest_filters_are_not_too_deep(largest: SignalFilter, wanted: list[str]) -> None:
    condition = largest.condition(lambda one: one)
    assert found(condition, ("mine", "a7.b7.c", "[]"), ("x", "b", "[]")) == wanted


WRITERS: list[Callable[[list[str]], str]] = [
    lambda labels: orjson.dumps(labels).decode(),
    json.dumps,
    lambda labels: json.dumps(labels, ensure_ascii=False),
    lambda labels: json.dumps(labels).replace("/", "\\/"),
]


@pytest.mark.parametrize("write", WRITERS, ids=["orjson", "json", "letters", "slashes"])
def test_a_label_is_found_whoever_wrote_the_row(write: Callable[[list[str]], str]) -> None:
    labels = ["ünï", "日本", "🎉", 'q"uote', "back\\slash", "a/b", "a\tb", "\x7f", "plain"]
    rows = [(label, "x", write(["other", label, "é"])) for label in labels]
    for label in labels:
        assert found(HasLabel(frozenset({label})), *rows) == [label]
    assert found(HasLabel(frozenset({"un", "in", "\\", "other, "})), *rows) == []
