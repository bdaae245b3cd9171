"""What a subscription is asked, apart from where to go on: that is each subscriber's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    FieldNode,
    GraphQLSchema,
    OperationDefinitionNode,
    StringValueNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)

from hub.graphql.documents import Document

AFTER: Final = "after"


@dataclass(frozen=True, slots=True)
class Subscribed:
    """`follows_log`: the subscribed field takes a cursor of the log, as `after`.

    `cursor`: that cursor, where the document says it. `variable`: the variable that does, and
    `is_apart` if it is used for nothing else.
    """

    follows_log: bool = False
    cursor: str | None = None
    variable: str | None = None
    is_apart: bool = False

    def after(self, variables: Mapping[str, Any]) -> Any:
        """Say where a subscriber wants to go on; what is no text is for the execution to refuse."""
        return self.cursor if self.variable is None else variables.get(self.variable, self.cursor)

    def rest(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Give the variables that all of a group have in common."""
        return {
            name: value
            for name, value in variables.items()
            if not (self.is_apart and name == self.variable)
        }


def subscribed(schema: GraphQLSchema, document: Document, name: str | None) -> Subscribed:
    """Find how the subscribed field takes a cursor. What is not written plainly has no part."""
    assert document.node is not None
    root = schema.subscription_type
    operation = next(
        (
            one
            for one in document.node.definitions
            if isinstance(one, OperationDefinitionNode)
            and (name is None or (one.name is not None and one.name.value == name))
        ),
        None,
    )
    if operation is None or root is None:
        return Subscribed()
    node = next(iter(operation.selection_set.selections), None)
    if not isinstance(node, FieldNode) or node.name.value not in root.fields:
        return Subscribed()
    if AFTER not in root.fields[node.name.value].args:
        return Subscribed()
    given = next((one.value for one in node.arguments or () if one.name.value == AFTER), None)
    if isinstance(given, StringValueNode):
        return Subscribed(follows_log=True, cursor=given.value)
    if not isinstance(given, VariableNode):
        return Subscribed(follows_log=True)
    variable = given.name.value
    default = next(
        (
            one.default_value.value
            for one in operation.variable_definitions or ()
            if one.variable.name.value == variable
            and isinstance(one.default_value, StringValueNode)
        ),
        None,
    )
    uses = _Uses(variable)
    visit(document.node, uses)
    return Subscribed(True, default, variable, is_apart=uses.count == 1)


class _Uses(Visitor):
    """Counts the uses of a variable, apart from its declarations."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.count = 0

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: Any) -> None:
        self.count -= node.variable.name.value == self.name  # which is met below as well

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.count += node.name.value == self.name
