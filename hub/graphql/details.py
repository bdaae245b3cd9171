"""Makes GraphQL types of the shapes of `hub.details`, and of these the union of `details`."""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any, TypeAlias

import strawberry

from hub.details import SHAPES, details_of
from hub.details.shapes import Details


def _type(shape: type[Details]) -> type:
    """Make a shape's GraphQL type: one field for each of its attributes."""
    fields: dict[str, Any] = {
        name: strawberry.field(description=said.description)
        for name, said in shape.model_fields.items()
    }
    said = {name: said.annotation for name, said in shape.model_fields.items()}
    made = type(shape.__name__, (), {"__annotations__": said, "__module__": __name__, **fields})
    typed: type = strawberry.type(made, description=shape.__doc__)
    return typed


_TYPES: Mapping[type[Details], Any] = {shape: _type(shape) for shape in SHAPES}

_Any: Any = reduce(or_, _TYPES.values())  # which type checkers cannot follow
SignalDetails: TypeAlias = Annotated[
    _Any,
    strawberry.union(
        "SignalDetails",
        description="The attributes of a signal with their types, by its kind. What a source gave "
        "in another form is null here, and stands in `attributes` as it came.",
    ),
]


def details_type(kind: str, attributes: Mapping[str, Any]) -> Any:
    """Read the details of a signal; None where its kind has no shape."""
    found = details_of(kind, attributes)
    return _TYPES[type(found)](**dict(found)) if found else None
