"""What a document costs: as much as can be answered, and no more."""

import pytest
from graphql import OperationDefinitionNode, parse

from hub.graphql.measure import Measuring
from hub.graphql.schema import make_schema

SCHEMA = make_schema().documents.schema
BY_FRAGMENTS = """
{ signals(first: 9) { ...Page ... { totalCount } } }
fragment Page on SignalConnection { edges { cursor } }
"""


def cost(text: str) -> int:
    document = parse(text)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    return Measuring(SCHEMA, document).operation(operation).cost


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
