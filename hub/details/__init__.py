"""The typed attributes of a kind: its shape, its JSON Schema, and how what is stored is read."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from pydantic import AliasChoices

from hub.details import shapes
from hub.details.shapes import Details
from hub.kinds import KIND_PATTERN, KINDS, Family, kind_info

VERSION: Final = "v1"
"""Of every schema; a change that breaks makes another."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_OF_FAMILY: Mapping[Family, type[Details]] = {
    Family.DEAL: shapes.Deal,
    Family.LEAD: shapes.Lead,
    Family.TICKET: shapes.Ticket,
    Family.INCIDENT: shapes.Incident,
    Family.ERROR: shapes.ErrorReport,
    Family.MENTION: shapes.Mention,
    Family.METRIC: shapes.Metric,
    Family.RELEASE: shapes.Release,
    Family.FEEDBACK: shapes.Feedback,
    Family.PEOPLE: shapes.PersonChange,
    Family.POLICY: shapes.Policy,
    Family.GOAL: shapes.Goal,
    Family.PARTNER: shapes.Partnership,
    Family.EVENT: shapes.Event,
    Family.POST: shapes.Post,
    Family.MESSAGE: shapes.Message,
    Family.MEETING: shapes.Meeting,
    Family.MAIL: shapes.Mail,
    Family.HUB: shapes.HubNotice,
}
_OF_KIND: Mapping[str, type[Details]] = {
    "sales.pitch.scheduled": shapes.Meeting,
    "team.need": shapes.Need,
}
SHAPES: Final[tuple[type[Details], ...]] = (*_OF_FAMILY.values(), shapes.Need)
_OLDER: Final[Mapping[type[Details], Mapping[str, list[str]]]] = {
    shape: {
        name: [one for one in field.validation_alias.choices if isinstance(one, str)]
        for name, field in shape.model_fields.items()
        if isinstance(field.validation_alias, AliasChoices)
    }
    for shape in SHAPES
}


def shape_of(kind: str) -> type[Details] | None:
    """Find the shape of a kind; None for one that the catalogue lacks."""
    return _OF_KIND.get(kind) or _OF_FAMILY.get(kind_info(kind).family)


def details_of(kind: str, attributes: Mapping[str, Any]) -> Details | None:
    """Read attributes as their kind's shape has them; what does not fit is left out."""
    shape = shape_of(kind)
    if shape is None:
        return None
    given = dict(attributes)
    for name, older in _OLDER[shape].items():
        if given.get(name) is not None:
            for one in older:
                given.pop(one, None)
    return shape.model_validate(given)


def misfits(kind: str, attributes: Mapping[str, Any]) -> list[str]:
    """Name the attributes of which the details would show nothing, though they say something."""
    shape = shape_of(kind)
    if shape is None:
        return []
    said = {name: attributes[name] for name in shape.model_fields if attributes.get(name)}
    read = shape.model_validate(said)
    return [name for name in said if getattr(read, name) in (None, [])]


def schema_path(kind: str, version: str = VERSION) -> str:
    return f"/schemas/{kind}/{version}"


def schema_of(kind: str, version: str = VERSION) -> Mapping[str, Any] | None:
    """Write the JSON Schema of a kind's attributes; None where there is none.

    Kinds of one's own have a schema, too: it takes any attributes.
    """
    if version != VERSION or len(kind) > 80 or not re.fullmatch(KIND_PATTERN, kind):
        return None
    return _known(kind) if kind in KINDS else _schema(kind)


@cache
def _known(kind: str) -> Mapping[str, Any]:
    return _schema(kind)


def _schema(kind: str) -> Mapping[str, Any]:
    shape = shape_of(kind)
    fields = shape.model_json_schema(by_alias=False)["properties"] if shape else {}
    return {
        "$schema": _DIALECT,
        "$id": schema_path(kind),
        "title": kind,
        "description": f"{kind_info(kind).about}: the attributes of its signals. The `data` of "
        "an event holds them under `attributes`. All may be missing, and others may be there.",
        "type": "object",
        "properties": {
            **{name: _plain(field) for name, field in fields.items()},
            "attributes": {"description": "Within an event: the attributes.", "$ref": "#"},
        },
    }


def _plain(field: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in field.items() if name not in {"title", "default"}}
