"""How much the signals are compared with: the values of filters and searches, as they are written.

Each is a part of a statement that is made in the event loop, and read again by the database: so
they are a part of the cost of a document.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from graphql import (
    FieldNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
)

VALUE: Final = 15
"""What comparing with one value costs, of a filter or of one within it: so the dearest document of
10,000 takes the loop some 0.2 s."""

TEXT: Final = 5  # values that a text counts as: it is looked up in an index of its own
NARROWING: Final = ("filter", "search")


def compared(node: FieldNode, variables: Mapping[str, Any]) -> int:
    """Say what the filter and the search of one field cost."""
    return VALUE * sum(
        TEXT if one.name.value == "search" else _written(one.value, variables)
        for one in node.arguments or ()
        if one.name.value in NARROWING
    )


def variables_of(value: ValueNode) -> Iterator[str]:
    """Name the variables that stand in a value."""
    match value:
        case VariableNode(name=name):
            yield name.value
        case ListValueNode(values=values):
            for one in values:
                yield from variables_of(one)
        case ObjectValueNode(fields=fields):
            for field in fields:
                yield from variables_of(field.value)


def _written(value: ValueNode, variables: Mapping[str, Any]) -> int:
    match value:
        case VariableNode(name=name):
            return _given(variables.get(name.value))
        case ListValueNode(values=values):
            return sum(_written(one, variables) for one in values)
        case ObjectValueNode(fields=fields):
            return 1 + sum(
                TEXT if field.name.value == "text" else _written(field.value, variables)
                for field in fields
            )
        case NullValueNode():
            return 0
        case _:
            return 1


def _given(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(
            TEXT if name == "text" and one is not None else _given(one)
            for name, one in value.items()
        )
    if isinstance(value, list):
        return sum(map(_given, value))
    return 0 if value is None else 1
