"""What one document may cost: every fragment is measured once, however often it is spread.

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
    visit,
)

from hub.errors import Code, Refused
from hub.graphql.relay import LARGEST_PAGE, PAGE
from hub.settings import Settings

SATURATED: Final = 10**9
LIST: Final = 10  # what a list without a page size is taken to hold: roles, sources, decisions
SIZES: Final = ("first", "last")
LISTS: Final = ("ids", "representations")  # arguments that the answer has as many members as


@dataclass(frozen=True, slots=True)
class Limits:
    """The most of each that a document may have: `HUB_MAX_...`."""

    tokens: int = 2_000
    operations: int = 20
    fragments: int = 50
    directives: int = 50
    depth: int = 16
    aliases: int = 30
    cost: int = 10_000


def limits_of(settings: Settings) -> Limits:
    return Limits(
        tokens=settings.max_tokens,
        operations=settings.max_operations,
        fragments=settings.max_fragments,
        directives=settings.max_directives,
        depth=settings.max_depth,
        aliases=settings.max_aliases,
        cost=settings.max_cost,
    )


ADVICE: Final[Mapping[str, str]] = {
    "tokens": "Ask for less, or in several requests",
    "operations": "Send only the operation that is to be executed",
    "fragments": "Use fewer fragments, or several requests",
    "directives": "Leave out what does nothing, or send several requests",
    "depth": "Select less deeply, and ask for the rest by id with node",
    "aliases": "Ask in several requests",
    "cost": "Ask for smaller pages or fewer fields: each counts as often as it may be answered",
}


def over(name: str, found: int | None, most: int) -> Refused:
    """Say which limit was met, by how much, and what to do."""
    said = f": it has {found}" if found is not None and found < SATURATED else ""
    return Refused(
        Code.LIMIT_EXCEEDED,
        f"The document has more than {most} {name}{said}"
        if name not in {"depth", "cost"}
        else f"The {name} of the document is over {most}{said.replace('it has', 'it is')}",
        ADVICE[name],
        {"limit": most, "of": name, **({"found": found} if said else {})},
    )


@dataclass(frozen=True, slots=True)
class Measure:
    depth: int = 0
    aliases: int = 0
    cost: int = 0


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
        depth = aliases = cost = 0
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
        return Measure(depth, aliases, cost)

    def _fragment(self, name: str) -> Measure:
        if name not in self._known:
            self._known[name] = Measure()  # for a cycle, which validation refuses
            if (node := self._fragments.get(name)) is not None:
                type_ = self.schema.get_type(node.type_condition.name.value)
                self._known[name] = self._set(node.selection_set, type_)
        return self._known[name]

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None) -> Measure:
        field_ = getattr(parent, "fields", {}).get(node.name.value)
        below = self._set(node.selection_set, get_named_type(field_.type) if field_ else None)
        times = self._times(node, parent, field_)
        return Measure(
            below.depth + 1,
            min(below.aliases + (node.alias is not None), SATURATED),
            min(1 + times * below.cost, SATURATED),
        )

    def _times(
        self, node: FieldNode, parent: GraphQLNamedType | None, field_: GraphQLField | None
    ) -> int:
        """Say how often what is selected below a field may be answered."""
        if field_ is None or parent is None or parent.name.startswith("__"):
            return 1  # introspection has a rule of its own: its lists may nest three times
        given = {one.name.value: one for one in node.arguments or ()}
        if any(name in field_.args for name in SIZES):
            sizes = [self._size(given[name]) for name in SIZES if name in given]
            known = [size for size in sizes if size is not None]
            return min(max(known), LARGEST_PAGE) if known else PAGE
        for name in LISTS:
            if name in field_.args and name in given:
                return self._length(given[name])
        if is_list_type(get_nullable_type(field_.type)):
            # The edges of a connection were counted where the connection was asked for.
            return 1 if parent.name.endswith("Connection") else LIST
        return 1

    def _size(self, given: ArgumentNode) -> int | None:
        match given.value:
            case IntValueNode(value=digits):
                # The resolver refuses what is larger than a page: it says so better.
                return LARGEST_PAGE if len(digits) > 9 else max(int(digits), 1)
            case VariableNode(name=name):
                value = self.variables.get(name.value)
                # Unsaid: its default may be any page.
                return max(value, 1) if isinstance(value, int) else LARGEST_PAGE
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
            if one.name.value in (*SIZES, *LISTS) and isinstance(one.value, VariableNode):
                self.sizes.add(one.value.name.value)


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
    most: int,
) -> None:
    """Judge the cost where it depends on variables. Raises Refused(LIMIT_EXCEEDED)."""
    measuring = Measuring(schema, node, variables)
    for one in node.definitions:
        if isinstance(one, OperationDefinitionNode):
            name = one.name.value if one.name else None
            if operation_name in {None, name}:
                cost = measuring.operation(one).cost
                if cost > most:
                    raise over("cost", cost, most)
