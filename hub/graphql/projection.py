"""Compiles a selection of plain data to one Python function: from an object to its JSON value.

The function says the same as graphql-core would, for values that graphql-core would pass on
unchanged, or write in one known way. Whatever else it meets - a null where none may be, a number
out of range, an awaitable, an error - it raises Unplain, and the ordinary execution decides.

    query { signals { edges { node { id at: occurredAt account { name } } } } }

becomes

    def f2(o):                                              # Account
        if not isinstance(o, Account): raise Unplain
        a0 = o.name
        return {"name": a0 if type(a0) is str else unplain()}

    def f1(o): ...                                          # Signal
        return {"id": ..., "at": a1.isoformat() if ..., "account": None if a2 is None else f2(a2)}
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeAlias

from graphql import (
    GraphQLAbstractType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    Undefined,
    is_abstract_type,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList
from strawberry.schema.schema_converter import CustomGraphQLEnumType
from strawberry.types.base import StrawberryObjectDefinition

from hub.graphql.columns import RowBacked, RowWriter, Unplain, declaration, members
from hub.graphql.metadata import KNOWN

Projection: TypeAlias = Callable[[Any], Any]

# For the scalars of known form: what a value of exactly this type becomes.
_SCALARS = {
    "String": "{v} if type({v}) is str else unplain()",
    "Boolean": "{v} if type({v}) is bool else unplain()",
    "Int": "{v} if type({v}) is int and -2147483648 <= {v} <= 2147483647 else unplain()",
    "Float": "{v} if type({v}) is float and {v} - {v} == 0 else unplain()",
    "ID": "{v} if type({v}) is str else unplain()",
    "DateTime": "{v}.isoformat() if type({v}) is datetime else unplain()",
}
_DATA = frozenset({str, int, float, bool, dict, list, tuple, datetime})


def compile_projection(
    executor: Executor[Any], type_: GraphQLObjectType, details: FieldDetailsList
) -> Projection | None:
    """Compile what is selected of an object; None where not all of it is plain data."""
    writer = _Writer(executor)
    try:
        name = writer.function(type_, details)
    except (Unplain, RecursionError):
        return None
    exec("\n".join(writer.lines), writer.names)  # noqa: S102 - names of the schema, quoted aliases
    made: Projection = writer.names[name]
    return made


class _Writer(RowWriter):
    """Writes the functions of one projection."""

    def function(self, type_: GraphQLObjectType, details: FieldDetailsList) -> str:
        """Write the function of an object; give its name."""
        name = self.name("f", None)
        python_type = _python_type(type_)
        lines = [f"def {name}(o):", *self.of_rows(type_, python_type, details)]
        lines.append(f" if not isinstance(o, {self.name('T', python_type)}): raise Unplain")
        items = [
            f"{alias!r}: {self.member(type_, of_field, lines)}"
            for alias, of_field in self.selected(type_, details)
        ]
        self.lines += [*lines, f" return {{{', '.join(items)}}}"]
        return name

    def of_rows(
        self, type_: GraphQLObjectType, python_type: type, details: FieldDetailsList
    ) -> list[str]:
        """Write what becomes of an object of the type that is a row, if any may be."""
        lines: list[str] = []
        for backed in RowBacked.__subclasses__():
            if issubclass(backed, python_type):
                self.at = {name: f"r[{place}]" for name, place in backed.places.items()}
                with suppress(Unplain):
                    data = self.row(type_, details, backed.columns)
                    self.names |= backed.names
                    lines += [
                        f" if type(o) is {self.name('R', backed)}:",
                        "  r = o.row",
                        f"  return {data}",
                    ]
        return lines

    def member(self, type_: GraphQLObjectType, details: FieldDetailsList, lines: list[str]) -> str:
        """Write what a field becomes; the line that reads it goes before."""
        node = details[0].node
        if node.name.value == "__typename":
            return repr(type_.name)
        declared, plain = declaration(type_, node)
        if getattr(declared.resolve, "_is_default", False) and plain.default_resolver is getattr:
            own = self.name("a", None)
            lines.append(f" {own} = o.{plain.python_name}")
            return self.value(declared.type, own, details)
        if KNOWN in plain.metadata:
            return self.known(declared.type, plain.metadata[KNOWN], details, lines)
        raise Unplain

    def known(
        self,
        type_: Any,
        known: Mapping[str, Callable[[Any], Any]],
        details: FieldDetailsList,
        lines: list[str],
    ) -> str:
        """Write an object out of what its parent knows of it."""
        named = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if not isinstance(named, GraphQLObjectType):
            raise Unplain
        items = []
        for alias, of_field in self.selected(named, details):
            node = of_field[0].node
            if node.name.value == "__typename":
                items.append(f"{alias!r}: {named.name!r}")
                continue
            declared, plain = declaration(named, node)
            if plain.python_name not in known:
                raise Unplain
            own = self.name("a", None)
            lines.append(f" {own} = {self.name('k', known[plain.python_name])}(o)")
            items.append(f"{alias!r}: {self.value(declared.type, own, of_field)}")
        return f"{{{', '.join(items)}}}"

    def value(self, type_: Any, v: str, details: FieldDetailsList) -> str:
        """Write what a value in the variable `v` becomes."""
        if isinstance(type_, GraphQLNonNull):
            return f"({self.some(type_.of_type, v, details)})"
        return f"(None if {v} is None else {self.some(type_, v, details)})"

    def some(self, type_: Any, v: str, details: FieldDetailsList) -> str:
        """Write what a value that is not null becomes."""
        match type_:
            case GraphQLScalarType() if type_.name in _SCALARS:
                return _SCALARS[type_.name].format(v=v)
            case GraphQLScalarType():
                return f"{self.name('s', _coercion(type_))}({v})"
            case CustomGraphQLEnumType():
                written = {one.name: type_.coerce_output_value(one) for one in members(type_)}
                names, python_type = self.name("e", written), self.name("T", type_.wrapped_cls)
                return f"{names}[{v}._name_] if type({v}) is {python_type} else unplain()"
            case GraphQLList():
                each = self.name("x", None)
                item = self.value(type_.of_type, each, details)
                return f"[{item} for {each} in {v}] if type({v}) is list else unplain()"
            case GraphQLObjectType():
                return f"{self.function(type_, details)}({v})"
            case _ if is_abstract_type(type_):
                return f"{self.choice(type_, details)}.get(type({v}), unplain)({v})"
            case _:
                raise Unplain

    def choice(self, type_: GraphQLAbstractType, details: FieldDetailsList) -> str:
        """Write the functions of the types that a value may have, by its class."""
        possible = self.executor.schema.get_possible_types(type_)
        functions = {}
        for one in possible:
            with suppress(Unplain):  # a value of that class is left to the ordinary execution
                functions[_python_type(one)] = self.function(one, details)
        for python_type in functions:
            if any(other in functions for other in python_type.__mro__[1:]):
                raise Unplain  # an object of two of the types: which, is not ours to say
        name = self.name("d", None)
        pairs = (f"{self.name('T', of)}: {function}" for of, function in functions.items())
        self.lines.append(f"{name} = {{{', '.join(pairs)}}}")
        return name


def _python_type(type_: GraphQLObjectType) -> type:
    """Find the class whose objects are of this type, and of no other."""
    definition = type_.extensions.get("strawberry-definition")
    if (
        not isinstance(definition, StrawberryObjectDefinition)
        or definition.is_type_of is not None
        or definition.is_graphql_generic
        or definition.concrete_of is not None
        or issubclass(definition.origin, (Exception, Awaitable))
    ):
        raise Unplain
    return definition.origin


def _coercion(type_: GraphQLScalarType) -> Projection:
    def coerced(value: Any) -> Any:
        if type(value) not in _DATA:
            raise Unplain
        written = type_.coerce_output_value(value)
        if written is None or written is Undefined:
            raise Unplain
        return written

    return coerced
