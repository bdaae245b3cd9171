"""Whoever reads the schema is told what everything in it is."""

from collections.abc import Iterator
from pathlib import Path

from graphql import build_schema

SCHEMA = Path(__file__).parents[2] / "schema.graphql"


def undescribed() -> Iterator[str]:
    for name, kind in build_schema(SCHEMA.read_text(), assume_valid_sdl=True).type_map.items():
        if name.startswith("__"):
            continue
        if not kind.description:
            yield name
        for field, what in getattr(kind, "fields", {}).items():
            if not what.description:
                yield f"{name}.{field}"
            for argument, said in getattr(what, "args", {}).items():
                if not said.description:
                    yield f"{name}.{field}({argument})"


def test_every_type_field_and_argument_is_described() -> None:
    assert list(undescribed()) == []
