"""What a document costs: as much as can be answered, and no more."""

from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse

from hub.graphql.compared import VALUE
from hub.graphql.measure import Measuring
from hub.graphql.schema import make_schema

SCHEMA = make_schema().documents.schema
BY_FRAGMENTS = """
{ signals(first: 9) { ...Page ... { totalCount } } }
fragment Page on SignalConnection { edges { cursor } }
"""


def cost(text: str, **variables: Any) -> int:
    document = parse(text)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    return Measuring(SCHEMA, document, variables).operation(operation).cost


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ __typename }", 1),
        # The field itself, then edges, node and id of each.
        ("{ signals(first: 7) { edges { node { id } } } }", 1 + 7 * 3),
        ("{ signals(last: 7) { edges { node { id } } } }", 1 + 7 * 3),
        # Totals and the state of the page are made once, however long the page is.
        ("{ signals(first: 100) { totalCount } }", 1 + 100),
        ("{ signals(first: 100) { pageInfo { hasNextPage } } }", 1 + 2),
        ("{ signals(first: 9) { totalCount edges { cursor } } }", 1 + 100 + 9 * 2),
        # By fragments it is the same.
        (BY_FRAGMENTS, 1 + 100 + 9 * 2),
        # A total of each account is made for each of them.
        (
            "{ accounts(first: 5) { edges { node { signals(first: 2) { totalCount } } } } }",
            1 + 5 * (1 + 1 + 1 + 100),
        ),
    ],
)
def test_what_a_document_costs(text: str, expected: int) -> None:
    assert cost(text) == expected


FILTERED = (
    "query Q($f: SignalFilter, $l: [String!]) { signals(first: 1, filter: %) { resumeFrom } }"
)


@pytest.mark.parametrize(
    ("written", "given", "values"),
    [
        ("{}", {}, 1),
        ("null", {}, 0),
        ("{labels: []}", {}, 1),
        ('{labels: ["a", "b"], minSeverity: HIGH, sources: null}', {}, 4),
        ('{text: "one of many words", labels: $l}', {"l": ["a", "b"]}, 1 + 5 + 2),
        ('{or: [{}, {not: {labels: ["a"]}}]}', {}, 1 + 1 + 1 + 2),
        ("$f", {}, 0),
        ("$f", {"f": {"labels": ["a", "b"], "minSeverity": "HIGH", "sources": None}}, 4),
        ("$f", {"f": {"text": "a b c", "or": [{}, {"not": {"labels": ["a"]}}]}}, 1 + 5 + 4),
        ("$f", {"f": {"text": None, "labels": None}}, 1),
        ("[$f, $f]", {"f": {"labels": ["a"]}}, 4),
    ],
)
def test_what_signals_are_compared_with_costs(
    written: str, given: dict[str, Any], values: int
) -> None:
    text = FILTERED.replace("%", written)
    assert cost(text, **given) - cost(FILTERED.replace("%", "null")) == VALUE * values


def test_a_filter_costs_as_often_as_it_is_applied() -> None:
    filtered = '(first: 1, filter: {labels: ["a"]}) { resumeFrom }'
    each = cost(f"{{ signals {filtered} }}")
    assert each == 2 + VALUE * 2
    assert cost(f"{{ accounts(first: 7) {{ edges {{ node {{ signals {filtered} }} }} }} }}") == (
        1 + 7 * (1 + 1 + each)
    )
    fragments = f"{{ a: __typename ...F ...F }} fragment F on Query {{ signals {filtered} }}"
    assert cost(fragments) == 1 + 2 * each
    assert cost('{ signals(first: 1, search: "a b") { resumeFrom } }') == 2 + VALUE * 5
