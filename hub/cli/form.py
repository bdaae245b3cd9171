"""The settings of a connector as a form, out of its JSON Schema."""

import inspect
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter

from hub.connector import Connector

_FORMATS = {
    "password": "secret",
    "date-time": "time",
    "duration": "duration",
    "uri": "URL",
    # How the fields of a mapping are found: docs/rest.md.
    "value": "value",
    "moment": "time",
}
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "table",
}


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    type: str
    required: bool
    secret: bool
    default: Any
    description: str
    example: Any = None

    @property
    def default_in_words(self) -> str:
        if self.required:
            return "required"
        if self.default is None or self.default in ([], {}):
            return ""
        if self.type == "duration" and isinstance(self.default, str):
            return as_in_toml(TypeAdapter(timedelta).validate_python(self.default))
        if isinstance(self.default, str):
            return self.default
        return json.dumps(self.default, ensure_ascii=False)


def as_in_toml(of: timedelta) -> str:
    """Write a duration as hub.toml takes it: in the largest unit that leaves no rest."""
    seconds = int(of.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


# What hub.toml takes for any source, beside the connector's own settings.
COMMON = (
    Setting("connector", "text", True, False, None, "The connector's name."),
    Setting("every", "duration", False, False, None, "How often to ask: 30s, 5m, 2h or 1d."),
    Setting(
        "slowest", "duration", False, False, None,
        "How rarely to ask while it brings nothing; else always as often as `every` says.",
    ),
    Setting(
        "notify_after", "time", False, False, None,
        "What happened before is history: kept, never sent; else the source's first poll.",
    ),
    Setting(
        "classification", "public, internal, confidential or restricted", False, False, None,
        "Who may see its signals; else what each record says.",
    ),
    Setting("department", "text", False, False, None, "Where its signals come from; else by kind."),
    Setting(
        "keep", "duration", False, False, None,
        "How long its signals are kept after their last change; else as [retention] says.",
    ),
)  # fmt: skip


def form(connector: type[Connector]) -> list[Setting]:
    """List a connector's own settings; those that any source takes are not among them."""
    schema = connector.model_json_schema()
    common = {one.name for one in COMMON}
    return [one for one in _settings(schema, schema.get("$defs", {})) if one.name not in common]


def within(connector: type[Connector]) -> list[Setting]:
    """List what stands in the tables among a connector's settings: `auth.bearer`, `sets.*.key`."""
    schema = connector.model_json_schema()
    defs = schema.get("$defs", {})
    found: list[Setting] = []
    for name, part in schema.get("properties", {}).items():
        inner, path = _table(part, defs)
        if inner is not None:
            found += [
                replace(one, name=f"{name}{path}.{one.name}") for one in _settings(inner, defs)
            ]
    return found


def _settings(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> list[Setting]:
    required = schema.get("required", ())
    settings = []
    for name, part in schema.get("properties", {}).items():
        type_, secret = _type(part, defs)
        settings.append(
            Setting(
                name=name,
                type=type_,
                required=name in required,
                secret=secret,
                # What a secret defaults to is nobody's business either.
                default=None if secret else part.get("default"),
                description=" ".join(part.get("description", "").split()),
                example=_example(part, defs),
            )
        )
    return sorted(settings, key=lambda one: not one.required)


def _table(
    part: Mapping[str, Any], defs: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, str]:
    """Find the schema of a table, or of the tables under names of people's own (`.*`)."""
    for one in part.get("anyOf", (part,)):
        if "$ref" in one:
            return defs[one["$ref"].rpartition("/")[2]], ""
        if "$ref" in (of := one.get("additionalProperties") or {}):
            return defs[of["$ref"].rpartition("/")[2]], ".*"
    return None, ""


def _example(part: Mapping[str, Any], defs: Mapping[str, Any]) -> Any:
    """Find an example that a table's model gives; of tables with names, one is called so."""
    if own := part.get("examples"):
        return own[0]
    inner, path = _table(part, defs)
    examples = (inner or {}).get("examples")
    if not examples:
        return None
    return {"name": examples[0]} if path else examples[0]


def about(connector: type[Connector]) -> str:
    """Say in a line what a connector reads: its module's first line, else its class's."""
    module = sys.modules[connector.__module__].__doc__
    # Not the inherited docstring of Connector, which says nothing of this one.
    said = inspect.cleandoc(module or connector.__doc__ or "")
    return said.partition("\n\n")[0].replace("\n", " ").replace("`", "")


def _type(part: Mapping[str, Any], defs: Mapping[str, Any]) -> tuple[str, bool]:
    """Write a JSON Schema's type in words, and whether it holds a secret."""
    if "$ref" in part:
        return _type(defs[part["$ref"].rpartition("/")[2]], defs)
    if choices := part.get("anyOf") or part.get("oneOf") or part.get("allOf"):
        read = [_type(one, defs) for one in choices if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(name for name, _ in read)), any(it for _, it in read)
    if "enum" in part or "const" in part:
        return " or ".join(map(str, part.get("enum") or [part["const"]])), False
    if part.get("type") == "array":
        of, secret = _type(part.get("items", {}), defs)
        return f"list of {of}", secret
    if isinstance(values := part.get("additionalProperties"), dict):
        return _TYPES["object"], _type(values, defs)[1]
    format_, type_ = part.get("format", ""), part.get("type", "")
    return _FORMATS.get(format_) or _TYPES.get(type_, "anything"), format_ == "password"
