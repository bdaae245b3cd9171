"""What one document costs: every fragment is measured once, however often it is spread.

Measuring a fragment anew at each of its spreads takes twice as long with each level of nesting; and
what is counted would have as many digits as there are levels: so numbers stop at SATURATED.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    Visitor,
    get_named_type,
    get_nullable_type,
    is_list_type,
    value_from_ast_untyped,
    visit,
)
from strawberry.types.field import StrawberryField

from hub.graphql.compared import NARROWING, compared, variables_of
from hub.graphql.limits import SATURATED, Limits, over
from hub.graphql.metadata import Cost
from hub.graphql.relay import PAGE

LIST: Final = 10  # what a list without a page size is taken to hold: roles, sources, decisions
SIZES: Final = ("first", "last")
LISTS: Final = ("ids", "representations")  # arguments that the answer has as many members as
ENTITIES: Final = "_entities"  # has a limit of its own: a router asks for those of a whole answer


@dataclass(frozen=True, slots=True)
class Measure:
    """`page`: the largest that is asked for. `each`: what of the cost is that of one edge."""

    depth: int = 0
    aliases: int = 0
    cost: int = 0
    page: int = 0
    each: int = 0


@dataclass(slots=True)
class Measuring:
    """Measures the operations of one document, with these values of its variables."""

    schema: GraphQLSchema
    node: DocumentNode
    variables: Mapping[str, Any] = field(default_factory=dict)
    _fragments: dict[str, FragmentDefinitionNode] = field(init=False)
    _known: dict[str, Measure] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._fragments = {
            one.name.value: one
            for one in self.node.definitions
            if isinstance(one, FragmentDefinitionNode)
        }

    def operation(self, operation: OperationDefinitionNode) -> Measure:
        root = self.schema.get_root_type(OperationType(operation.operation.value))
        return self._set(operation.selection_set, root)

    def _set(self, selected: SelectionSetNode | None, parent: GraphQLNamedType | None) -> Measure:
        depth = aliases = cost = page = each = 0
        for one in selected.selections if selected else ():
            match one:
                case FieldNode():
                    found = self._field(one, parent)
                case InlineFragmentNode():
                    named = one.type_condition
                    type_ = self.schema.get_type(named.name.value) if named else parent
                    found = self._set(one.selection_set, type_)
                case FragmentSpreadNode():
                    found = self._fragment(one.name.value)
                case _:
                    raise AssertionError(one)
            depth = max(depth, found.depth)
            aliases = min(aliases + found.aliases, SATURATED)
            cost = min(cost + found.cost, SATURATED)
            page = max(page, found.page)
            each = min(each + found.each, SATURATED)
        return Measure(depth, aliases, cost, page, each)

    def _fragment(self, name: str) -> Measure:
        if name not in self._known:
            self._known[name] = Measure()  # for a cycle, which validation refuses
            if (node := self._fragments.get(name)) is not None:
                type_ = self.schema.get_type(node.type_condition.name.value)
                self._known[name] = self._set(node.selection_set, type_)
        return self._known[name]

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None) -> Measure:
        field_: GraphQLField | None = getattr(parent, "fields", {}).get(node.name.value)
        type_ = get_named_type(field_.type) if field_ else None
        below = self._set(node.selection_set, type_)
        page = self._page(node, field_) if field_ else None
        times = page if page is not None else _holds(parent, field_)
        # Of a connection only the edges are as many as were asked for: its totals are made once.
        once = below.cost - below.each if _connects(type_) else 0
        own = weight(field_) + compared(node, self.variables)
        cost = min(own + once + times * (below.cost - once), SATURATED)
        return Measure(
            below.depth + 1,
            min(below.aliases + (node.alias is not None), SATURATED),
            cost,
            below.page if page is None or node.name.value == ENTITIES else max(below.page, page),
            cost if _connects(parent) and node.name.value == "edges" else 0,
        )

    def _page(self, node: FieldNode, field_: GraphQLField) -> int | None:
        """Say how many a field is asked for; None where that is not for the asker to say."""
        given = {one.name.value: one for one in node.arguments or ()}
        for name in LISTS:
            if name in field_.args:
                return self._length(given[name]) if name in given else 1
        if not any(name in field_.args for name in SIZES):
            return None
        sizes = [self._size(given[name]) for name in SIZES if name in given]
        return max((size for size in sizes if size is not None), default=PAGE)

    def _size(self, given: ArgumentNode) -> int | None:
        match given.value:
            case IntValueNode(value=digits):
                return SATURATED if len(digits) > 9 else max(int(digits), 1)
            case VariableNode(name=name):
                value = self.variables.get(name.value)
                # JSON may write a whole number with a point; what is no number is refused later.
                if isinstance(value, float) and value.is_integer():
                    value = int(value)
                return min(max(value, 1), SATURATED) if isinstance(value, int) else None
            case _:
                return None

    def _length(self, given: ArgumentNode) -> int:
        match given.value:
            case ListValueNode(values=values):
                return max(len(values), 1)
            case VariableNode(name=name):
                value = self.variables.get(name.value)
                return max(len(value), 1) if isinstance(value, list) else 1
            case _:
                return 1


def _connects(type_: GraphQLNamedType | None) -> bool:
    return type_ is not None and type_.name.endswith("Connection")


def _holds(parent: GraphQLNamedType | None, field_: GraphQLField | None) -> int:
    """Say how many a field is taken to hold that nobody asks for by number."""
    if field_ is None or parent is None or parent.name.startswith("__"):
        return 1  # introspection has a rule of its own: its lists may nest three times
    if is_list_type(get_nullable_type(field_.type)) and not _connects(parent):
        return LIST
    return 1  # the edges of a connection were counted where the connection was asked for


def weight(field_: GraphQLField | None) -> int:
    """Say what a field costs by itself: 1, or what its `@cost` declares."""
    declared = field_.extensions.get("strawberry-definition") if field_ is not None else None
    for one in declared.directives if isinstance(declared, StrawberryField) else ():
        if isinstance(one, Cost):
            return one.weight
    return 1


class _Counter(Visitor):
    """Counts directives, and finds the variables that sizes depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.directives = 0
        self.sizes: set[str] = set()
        self.introspects = False

    def enter_directive(self, *_: Any) -> None:
        self.directives += 1

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        self.introspects |= node.name.value in {"__schema", "__type", "_service"}
        for one in node.arguments or ():
            if one.name.value in (*SIZES, *LISTS, *NARROWING):
                self.sizes.update(variables_of(one.value))


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known whatever the variables are: `sizes` are those that the cost depends on."""

    errors: Sequence[GraphQLError]
    introspects: bool
    sizes: frozenset[str]


def judge(schema: GraphQLSchema, node: DocumentNode, limits: Limits) -> Judged:
    """Find the limits that a document is over."""
    counter = _Counter()
    visit(node, counter)
    operations = [one for one in node.definitions if isinstance(one, OperationDefinitionNode)]
    counted = {
        "operations": len(operations),
        "fragments": sum(isinstance(one, FragmentDefinitionNode) for one in node.definitions),
        "directives": counter.directives,
    }
    measuring = Measuring(schema, node)
    for measure in map(measuring.operation, operations):
        counted["depth"] = max(counted.get("depth", 0), measure.depth)
        counted["aliases"] = max(counted.get("aliases", 0), measure.aliases)
        if not counter.sizes:
            counted["cost"] = max(counted.get("cost", 0), measure.cost)
            counted["page"] = max(counted.get("page", 0), measure.page)
    if counted.get("page", 0) > limits.page:
        del counted["cost"]  # it follows from the page
    errors = [
        GraphQLError(str(refused), original_error=refused)
        for name, found in counted.items()
        if found > (most := getattr(limits, name))
        for refused in [over(name, found, most)]
    ]
    return Judged(errors, counter.introspects, frozenset(counter.sizes))


def afford(
    schema: GraphQLSchema,
    node: DocumentNode,
    operation_name: str | None,
    variables: Mapping[str, Any],
    limits: Limits,
) -> None:
    """Judge what depends on variables: pages and cost. Raises Refused."""
    for one in node.definitions:
        if isinstance(one, OperationDefinitionNode):
            name = one.name.value if one.name else None
            if operation_name in {None, name}:
                measure = Measuring(schema, node, {**_defaults(one), **variables}).operation(one)
                for of, found in (("page", measure.page), ("cost", measure.cost)):
                    if found > (most := getattr(limits, of)):
                        raise over(of, found, most)


def _defaults(operation: OperationDefinitionNode) -> dict[str, Any]:
    return {
        one.variable.name.value: value_from_ast_untyped(one.default_value)
        for one in operation.variable_definitions or ()
        if one.default_value is not None
    }
