"""The projecting executor says what graphql-core says: data, order of keys, and errors."""

import asyncio
import json
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, NewType

import pytest
import strawberry
from graphql import (
    GraphQLSchema,
    OperationDefinitionNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_required_argument,
    parse,
    specified_rules,
    validate,
)
from hypothesis import assume, event, given
from hypothesis import strategies as st
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from hub.graphql.executor import PROJECTIONS, ProjectingExecutor, Projections
from hub.graphql.metadata import KNOWN
from tests.examples import examples


class Colour(Enum):
    RED = "r"
    BLUE = 2


strawberry.enum(Colour)
Odd = NewType("Odd", int)


def odd(value: Any) -> int:
    if not isinstance(value, int) or value % 2 == 0:
        raise ValueError(f"{value} is not odd")
    return value * 10


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


TOLD: dict[Any, Any] = {KNOWN: {"name": lambda branch: branch.leaf.name}}


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Leaf(Named):
    size: int
    ratio: float | None
    on: bool
    key: strawberry.ID
    at: datetime | None
    colour: Colour
    colours: list[Colour | None] | None
    odd: Odd | None
    words: list[str]
    grid: list[list[int | None]] | None


@strawberry.type
class Branch(Named):
    leaf: Leaf
    perhaps: Leaf | None
    leaves: list[Leaf]
    some: list[Leaf | None] | None
    thing: Annotated["Leaf | Cone", strawberry.union("Thing")] | None
    nameds: list[Named]

    @strawberry.field
    async def slow(self) -> Leaf:
        found: Leaf = await later(self.leaf)
        return found

    @strawberry.field
    def echo(self, said: str = "x") -> str:
        return said

    @strawberry.field
    async def broken(self) -> str | None:
        await asyncio.sleep(0)
        raise RuntimeError("broken")

    @strawberry.field(metadata=TOLD)  # type: ignore[untyped-decorator]  # typed as Any
    async def told(self) -> Leaf:
        found: Leaf = await later(self.leaf)
        return found

    @strawberry.field
    def below(self) -> "Branch | None":
        return self


@strawberry.type
class Cone(Named):
    seeds: int


@strawberry.type
class Query:
    branch: Branch
    branches: list[Branch]

    @strawberry.field
    async def eventually(self) -> Branch | None:
        found: Branch | None = await later(self.branch)
        return found


CONVERSIONS: Any = {Odd: strawberry.scalar(name="Odd", serialize=odd, parse_value=int)}
SCHEMA: GraphQLSchema = strawberry.Schema(
    Query,
    types=[Leaf, Cone],
    config=StrawberryConfig(scalar_map=CONVERSIONS),
)._schema
SCHEMA.extensions[PROJECTIONS] = Projections()


# What graphql-core passes on, what it converts, what it refuses, and what is no plain data.
def mostly(good: st.SearchStrategy[Any], *odd_ones: Any) -> st.SearchStrategy[Any]:
    return st.integers(0, 30).flatmap(lambda n: st.sampled_from(odd_ones) if n == 0 else good)


def names() -> st.SearchStrategy[Any]:
    return mostly(st.text(max_size=3), None, 5, True, 1.5, object(), ValueError("no name"))


@st.composite
def leaves(draw: st.DrawFn) -> Leaf:
    made = Leaf(
        name=draw(names()),
        size=draw(mostly(st.integers(-9, 9), 2**31, "7", 1.0, True, None)),
        ratio=draw(mostly(st.floats(-2, 2), 3, float("nan"), float("inf"), "x", None)),
        on=draw(mostly(st.booleans(), 1, None, "true")),
        key=draw(mostly(st.text(max_size=2), 7, 2**40, 1.5, None)),
        at=draw(mostly(st.just(datetime(2026, 1, 2, 3, 4, 5, 6, UTC)), None, "yesterday")),
        colour=draw(mostly(st.sampled_from(Colour), "r", 2, "RED", None)),
        colours=draw(mostly(st.lists(st.sampled_from([*Colour, None]), max_size=2), None, [9], "")),
        odd=draw(mostly(st.integers(0, 5), None, "x")),
        words=draw(mostly(st.lists(names(), max_size=3), None, ("a", "b"), "text", {"a": 1})),
        grid=draw(mostly(st.just([[1, None], []]), None, [None], [[2**40]], [[1], 3])),
    )
    if draw(st.integers(0, 30)) == 0:
        del made.size  # reading it raises
    return made


cones = st.builds(Cone, name=names(), seeds=mostly(st.integers(0, 9), "many"))


@st.composite
def branches(draw: st.DrawFn) -> Branch:
    leaf = leaves()
    return Branch(
        name=draw(names()),
        leaf=draw(mostly(leaf, None, "leaf", ValueError("no leaf"))),
        perhaps=draw(st.none() | leaf),
        leaves=draw(mostly(st.lists(leaf, max_size=3), None, 7)),
        some=draw(mostly(st.lists(st.none() | leaf, max_size=2), None, (None,))),
        thing=draw(mostly(st.none() | leaf | cones, "thing", 9)),
        nameds=draw(mostly(st.lists(leaf | cones, max_size=3), [None], [Named(name="bare")])),
    )


roots = st.builds(Query, branch=branches(), branches=st.lists(branches(), max_size=2))

SWITCHES = ("$yes", "$no", "$maybe", "true", "false")


@st.composite
def directives(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 6)):
        return ""
    which = draw(st.sampled_from(["skip", "include"]))
    return f" @{which}(if: {draw(st.sampled_from(SWITCHES))})"


@st.composite
def selections(
    draw: st.DrawFn, schema: GraphQLSchema, type_: Any, depth: int, *, spread: bool = True
) -> str:
    """Draw what is selected of a composite type."""
    kinds = ["field"] * 8 + ["inline", "typename", *(["spread"] if spread else [])]
    parts = []
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(kinds))
        if kind == "typename":
            parts.append(f"{draw(st.sampled_from(['', 'is: ']))}__typename{draw(directives())}")
        elif kind == "spread":
            parts.append(f"...{type_.name}Parts{draw(directives())}")
        elif kind == "inline" and depth:
            possible = (
                list(schema.get_possible_types(type_)) if is_abstract_type(type_) else [type_]
            )
            on = draw(st.sampled_from([type_, *possible]))
            inner = draw(selections(schema, on, depth - 1, spread=spread))
            parts.append(f"... on {on.name}{draw(directives())} {inner}")
        elif field := draw(fields(schema, type_, depth, spread=spread)):
            parts.append(field)
    return f"{{ {' '.join(parts) or '__typename'} }}"


@st.composite
def fields(draw: st.DrawFn, schema: GraphQLSchema, type_: Any, depth: int, *, spread: bool) -> str:
    known = getattr(type_, "fields", {})
    open_to = [
        name
        for name, one in known.items()
        if (depth or is_leaf_type(get_named_type(one.type)))
        and not any(map(is_required_argument, one.args.values()))
    ]
    if not open_to:
        return ""
    name = draw(st.sampled_from(sorted(open_to)))
    inner = get_named_type(known[name].type)
    alias = draw(st.sampled_from(["", "", f"{name}2: ", f"its_{name}: "]))
    given = '(said: "y")' if "said" in known[name].args and alias else ""
    below = (
        ""
        if is_leaf_type(inner)
        else f" {draw(selections(schema, inner, depth - 1, spread=spread))}"
    )
    return f"{alias}{name}{given}{draw(directives())}{below}"


@st.composite
def documents(draw: st.DrawFn) -> str:
    query = draw(selections(SCHEMA, SCHEMA.query_type, 4))
    parts = [f"query Q($yes: Boolean!, $no: Boolean = false, $maybe: Boolean!) {query}"]
    for name in ("Branch", "Leaf", "Cone", "Named", "Thing", "Query"):
        below = draw(selections(SCHEMA, SCHEMA.type_map[name], 1, spread=False))
        parts.append(f"fragment {name}Parts on {name} {below}")
    return "\n".join(parts)


async def executed(class_: Any, document: Any, root: Query, variables: dict[str, Any]) -> Any:
    built = class_.build(SCHEMA, document, root, None, raw_variable_values=variables)
    assert isinstance(built, class_), built
    result: Any = built.execute_operation()
    if built.is_awaitable(result):
        result = await result
    while built.background_futures:  # what was begun before an error nulled it
        await asyncio.wait(list(built.background_futures))
    errors = [error.formatted for error in result.errors or ()]
    return json.dumps([result.data, errors], default=repr)


# What is declared and not used is no matter here.
RULES = [rule for rule in specified_rules if not rule.__name__.startswith("NoUnused")]


@examples(30)
@given(text=documents(), root=roots, maybe=st.booleans())
def test_the_same_as_graphql_core(text: str, root: Query, maybe: bool) -> None:
    document = parse(text)
    assume(not validate(SCHEMA, document, RULES))
    for switch in (maybe, not maybe, maybe):  # the compiled selections are used again
        variables = {"yes": True, "maybe": switch}
        plain = asyncio.run(
            executed(StrawberryGraphQLCoreExecutionContext, document, root, variables)
        )
        assert asyncio.run(executed(ProjectingExecutor, document, root, variables)) == plain
    kept = SCHEMA.extensions[PROJECTIONS]
    compiled = [made for one in kept._kept.values() for made in one.projections.values()]
    event(f"projected: {any(compiled)}")
    kept._kept.clear()


@pytest.mark.parametrize("selected", ["name", "leaf { name size }", "nameds { __typename name }"])
def test_plain_data_is_projected(selected: str) -> None:
    leaf = Leaf(
        name="l",
        size=1,
        ratio=0.5,
        on=True,
        key=strawberry.ID("1"),
        at=None,
        colour=Colour.RED,
        colours=None,
        odd=None,
        words=["w"],
        grid=None,
    )
    cone = Cone(name="c", seeds=3)
    branch = Branch(
        name="b", leaf=leaf, perhaps=None, leaves=[], some=None, thing=leaf, nameds=[leaf, cone]
    )
    root = Query(branch=branch, branches=[branch])
    document = parse(f"{{ branch {{ {selected} }} }}")
    asyncio.run(executed(ProjectingExecutor, document, root, {}))
    (compiled,) = SCHEMA.extensions[PROJECTIONS]._kept.values()
    assert all(compiled.projections.values())
    SCHEMA.extensions[PROJECTIONS]._kept.clear()


def test_trees_are_let_go_by_the_letters_of_their_texts() -> None:
    kept = Projections(most_letters=200)
    compiled = []
    for number in range(10):
        (operation,) = parse(f"{{ a{number} }} # {'x' * 50}").definitions
        assert isinstance(operation, OperationDefinitionNode)
        compiled.append(kept.of(operation, ()))
    assert list(kept._kept.values()) == compiled[-3:]
    assert kept.of(compiled[-1].operation, ()) is compiled[-1]
