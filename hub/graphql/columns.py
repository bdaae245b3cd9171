"""What of an object stands where in a row, and the text that makes JSON of the row.

The database keeps plain data only: what of a selection stands in columns is written down as one
Python expression, and no object is made.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, NoReturn, TypeAlias

from graphql import FieldNode, GraphQLField, GraphQLNonNull, GraphQLObjectType
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList, collect_subfields
from strawberry.schema.schema_converter import CustomGraphQLEnumType
from strawberry.types.field import StrawberryField


@dataclass(frozen=True, slots=True)
class Nested:
    """An object whose parts stand in its parent's row. `present`: null where this is."""

    columns: "Columns"
    present: str | None = None


Columns: TypeAlias = Mapping[str, "str | Nested"]
"""What of an object is made of which columns, by Python name: expressions that name them in braces,
as "loads({labels})". Each is plain data already. Of an enumeration it is the member's value."""


class RowBacked:
    """An object of a GraphQL type that stays a row until somebody reads an attribute of it.

    `places`: where in the row each column stands. `names`: what the expressions call.
    """

    columns: ClassVar[Columns]
    places: ClassVar[Mapping[str, int]]
    names: ClassVar[Mapping[str, Any]]
    row: Sequence[Any]


class Unplain(Exception):
    """The ordinary execution must decide."""


def unplain(value: object = None) -> NoReturn:
    del value
    raise Unplain


@dataclass(slots=True)
class RowWriter:
    """Writes the source text of what a row becomes; `names` is what the text refers to.

    `at`: how the text names each column.
    """

    executor: Executor[Any]
    at: Mapping[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    names: dict[str, Any] = field(
        default_factory=lambda: {"unplain": unplain, "Unplain": Unplain, "datetime": datetime}
    )

    def row(self, type_: GraphQLObjectType, details: FieldDetailsList, columns: Columns) -> str:
        """Write an object out of a row."""

        def member(plain: StrawberryField, below: Any, of_field: FieldDetailsList) -> str:
            return self.column(below, plain, columns, of_field)

        return self.object(type_, details, member)

    def object(
        self,
        type_: GraphQLObjectType,
        details: FieldDetailsList,
        member: Callable[[StrawberryField, Any, FieldDetailsList], str],
    ) -> str:
        """Write an object by the text of each of its fields."""
        items = []
        for alias, of_field in self.selected(type_, details):
            node = of_field[0].node
            if node.name.value == "__typename":
                items.append(f"{alias!r}: {type_.name!r}")
                continue
            declared, plain = declaration(type_, node)
            items.append(f"{alias!r}: {member(plain, declared.type, of_field)}")
        return f"{{{', '.join(items)}}}"

    def column(
        self, type_: Any, plain: StrawberryField, columns: Columns, details: FieldDetailsList
    ) -> str:
        named = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        match columns.get(plain.python_name):
            case Nested(below, present) if isinstance(named, GraphQLObjectType):
                data = self.row(named, details, below)
                return (
                    data if present is None else f"(None if {self.of(present)} is None else {data})"
                )
            case str(expression) if isinstance(named, CustomGraphQLEnumType):
                values = {one.value: named.coerce_output_value(one) for one in members(named)}
                return f"{self.name('e', values)}[{self.of(expression)}]"
            case str(expression):
                return self.of(expression)
            case _:
                raise Unplain

    def of(self, expression: str) -> str:
        """Name the columns of an expression as the text does."""
        return expression.format_map(self.at)

    def selected(
        self, type_: GraphQLObjectType, details: FieldDetailsList
    ) -> list[tuple[str, FieldDetailsList]]:
        executor = self.executor
        fields, deferred, _ = collect_subfields(
            executor.schema,
            executor.fragments,
            executor.variable_values,
            executor.operation,
            type_,
            details,
            executor.hide_suggestions,
        )
        if deferred or any(one.fragment_variable_values for of in fields.values() for one in of):
            raise Unplain
        return list(fields.items())

    def name(self, letter: str, what: Any) -> str:
        """Give something a name that the text may use."""
        name = f"{letter}{len(self.names)}"
        self.names[name] = what
        return name


def declaration(type_: GraphQLObjectType, node: FieldNode) -> tuple[GraphQLField, StrawberryField]:
    """Find a field without arguments that is declared in Python."""
    declared = type_.fields.get(node.name.value)
    plain = declared.extensions.get("strawberry-definition") if declared is not None else None
    if declared is None or node.arguments or not isinstance(plain, StrawberryField):
        raise Unplain
    return declared, plain


def members(type_: CustomGraphQLEnumType) -> list[Any]:
    enumeration: Any = type_.wrapped_cls
    return list(enumeration)
