"""Executes as graphql-core does, and whole selections of plain data in one step.

Most of a page's time goes into fields that merely read an attribute: a path, an `info`, a
resolver and five checks for each. Where all that is selected below an object is plain data,
`hub.graphql.projection` compiles the selection once; elsewhere nothing changes.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DirectiveNode,
    FragmentDefinitionNode,
    GraphQLObjectType,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from hub.graphql.documents import MOST_LETTERS
from hub.graphql.projection import Projection, compile_projection

MOST_OPERATIONS = 1024
MOST_OF_ONE = 256  # selections of one operation, times the values of its switches
PROJECTIONS: Final = "hub.projections"  # where a GraphQL schema keeps them: in its `extensions`


@dataclass(slots=True, eq=False)
class Compiled:
    """What was compiled of one operation. It holds the nodes whose ids are keys.

    `switches`: the variables that @skip and @include look at. With other values of these it is
    another selection; other variables change nothing in it.
    """

    operation: OperationDefinitionNode
    fragments: tuple[FragmentDefinitionNode, ...]
    switches: tuple[str, ...]
    projections: dict[Any, Projection | None] = field(default_factory=dict)


@dataclass(slots=True)
class Projections:
    """What was compiled of the operations that were executed last.

    They are held as trees, which `hub.graphql.documents` may hold no more: so their letters are
    limited as they are there.
    """

    most_letters: int = MOST_LETTERS
    _kept: OrderedDict[tuple[int, ...], Compiled] = field(default_factory=OrderedDict)
    _letters: int = 0

    def of(
        self, operation: OperationDefinitionNode, fragments: tuple[FragmentDefinitionNode, ...]
    ) -> Compiled:
        key = (id(operation), *map(id, fragments))
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return kept
        compiled = Compiled(operation, fragments, _switches(operation, *fragments))
        self._kept[key] = compiled
        self._letters += _letters_of(operation)
        while len(self._kept) > MOST_OPERATIONS or self._letters > self.most_letters:
            _, gone = self._kept.popitem(last=False)
            self._letters -= _letters_of(gone.operation)
        return compiled


def _letters_of(operation: OperationDefinitionNode) -> int:
    """Count the whole text that its tree holds."""
    return len(operation.loc.source.body) if operation.loc is not None else 0


class _Switches(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self.found.add(argument.value.name.value)


def _switches(*nodes: OperationDefinitionNode | FragmentDefinitionNode) -> tuple[str, ...]:
    visitor = _Switches()
    for node in nodes:
        visit(node, visitor)
    return tuple(sorted(visitor.found))


class ProjectingExecutor(StrawberryGraphQLCoreExecutionContext):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        projections: Projections = self.schema.extensions[PROJECTIONS]
        self._compiled = projections.of(self.operation, tuple(self.fragment_definitions.values()))
        values = self.variable_values.coerced
        self._values = tuple(values.get(name) for name in self._compiled.switches)
        middleware = self.middleware_manager
        self._may_project = middleware is None or not middleware.middlewares

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: FieldDetailsList,
        info: Any,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        if self._may_project and position_context is None:
            project = self._projection(return_type, field_details_list)
            if project is not None:
                try:
                    return project(result)
                except Exception:  # noqa: BLE001, S110 - the ordinary execution meets it and tells
                    pass
        return super().complete_object_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def _projection(self, type_: GraphQLObjectType, details: FieldDetailsList) -> Projection | None:
        known = self._compiled.projections
        key = (type_, self._values, *[id(one.node) for one in details])
        try:
            return known[key]
        except KeyError:
            if len(known) >= MOST_OF_ONE:
                known.clear()
            plain = all(
                one.defer_usage is None and one.fragment_variable_values is None for one in details
            )
            known[key] = compile_projection(self, type_, details) if plain else None
            return known[key]
