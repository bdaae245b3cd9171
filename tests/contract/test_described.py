"""Whoever reads the schema is told what everything in it is."""

from collections.abc import Iterator
from pathlib import Path

from graphql import GraphQLEnumType, build_schema

SCHEMA = Path(__file__).parents[2] / "schema.graphql"


def undescribed() -> Iterator[str]:
    for name, kind in build_schema(SCHEMA.read_text(), assume_valid_sdl=True).type_map.items():
        if name.startswith("__"):
            continue
        if not kind.description:
            yield name
        if isinstance(kind, GraphQLEnumType):
            yield from (f"{name}.{one}" for one, of in kind.values.items() if not of.description)
        for field, what in getattr(kind, "fields", {}).items():
            if not what.description:
                yield f"{name}.{field}"
            for argument, said in getattr(what, "args", {}).items():
                if not said.description:
                    yield f"{name}.{field}({argument})"


def test_every_type_field_argument_and_value_is_described() -> None:
    assert list(undescribed()) == []
