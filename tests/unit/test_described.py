"""What a setting is for is said below it, and read when somebody asks."""

from typing import Any

from pydantic import Field

from hub.connector.described import Described


class Inner(Described):
    """A part."""

    size: int = 1
    """How many,
    or none."""


class Outer(Described):
    name: str
    """Its name."""
    old: str = Field("", alias="former", description="Said at once.")
    """Said below."""
    other: str = Field("", alias="otherwise")
    """Under another name."""
    inner: Inner = Inner()
    """The first."""
    plain: bool = False


class Narrower(Outer):
    name: str = "known"
    "Another name."
    more: int = 0
    """Its own."""


def said(kind: type[Described]) -> dict[str, Any]:
    properties = kind.model_json_schema()["properties"]
    return {name: one.get("description") for name, one in properties.items()}


def test_a_field_is_described_by_what_stands_below_it() -> None:
    assert said(Outer) == {
        "name": "Its name.",
        "former": "Said at once.",
        "otherwise": "Under another name.",
        "inner": "The first.",
        "plain": None,
    }
    assert said(Narrower)["name"] == "Another name."
    assert said(Narrower)["more"] == "Its own."
    assert said(Narrower)["inner"] == "The first."
    inner = Outer.model_json_schema()["$defs"]["Inner"]
    assert inner["properties"]["size"]["description"] == "How many,\nor none."
    assert inner["description"] == "A part."


def test_a_class_may_stand_anywhere() -> None:
    class Here(Described):
        one: int = 1
        """Within a function,
not indented."""

    made = type("Made", (Described,), {"__annotations__": {"one": int}, "one": 1})
    assert said(Here) == {"one": "Within a function,\nnot indented."}
    assert said(made) == {"one": None}
