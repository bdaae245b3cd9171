"""Checks what connectors ask against the vendors' own machine-readable descriptions.

    python -m tests.described ../shared/contracts

The descriptions are not ours to ship, so nothing but CI, where they lie beside the checkout, needs
them; the stand-ins hold tables of our own.
"""

import asyncio
import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import yaml  # type: ignore[import-untyped]  # has no types
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no types

from hub.testing.certify import certify
from hub.testing.front import Asked

Json = Any
_BODY = frozenset({"post", "put", "patch"})


@dataclass(frozen=True, slots=True)
class Description:
    """Files of one vendor. `prefix` is where its paths begin; `beyond`, what they do not hold.

    `departs`: what the machine-readable part gets wrong, as the vendor's own words beside it tell.
    """

    files: Sequence[str]
    prefix: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    beyond: Sequence[str] = ()
    departs: Sequence[str] = ()


DESCRIPTIONS: Mapping[str, Sequence[Description]] = {
    "alertmanager": [Description(["grafana/spec/alertmanager.v2.openapi.yaml"], "/api/v2")],
    "github": [Description(["github/spec/subset.json"], beyond=["/graphql"])],
    "hubspot": [
        Description(
            [f"hubspot/spec/{what}.v3.json" for what in ("deals", "leads", "companies")],
            # Recorded live by name; the description knows the number of the type only.
            renamed={"/crm/v3/objects/deals": "/crm/v3/objects/0-3"},
            beyond=["/crm/v3/owners", "/crm/v3/pipelines/deals", "/crm/v4/associations/.*"],
            # https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm shows
            # objects, which the API takes; the description says strings.
            departs=["body sorts/0: .* is not of type 'string'"],
        )
    ],
    "intercom": [Description(["intercom/spec/subset.json"])],
    "pagerduty": [Description(["pagerduty/spec/subset.json"])],
    "pipedrive": [
        Description(
            ["pipedrive/spec/subset.v2.json"],
            "/api/v2",
            # "Multiple statuses can be included as a comma separated array."
            departs=["status: 'open,won,lost,deleted' is not one of .*"],
        ),
        Description(
            ["pipedrive/spec/subset.v1.json"],
            "/v1",
            # In the vendor's reference and clients since 2025, in this description not yet:
            # https://developers.pipedrive.com/docs/api/v1/Leads#getArchivedLeads
            beyond=["/v1/leads/archived"],
            # It says: field names and sorting mode, separated by a comma.
            departs=["sort: 'update_time ASC' is not one of .*"],
        ),
    ],
    "sentry": [Description(["sentry/spec/subset.json"])],
    "slack": [Description(["slack/spec/subset.json"], "/api")],
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One request that a description holds."""

    method: str
    path: re.Pattern[str]
    parameters: Sequence[Mapping[str, Json]]
    body: Json
    whole: Json
    """The description, in which references are found."""

    def wrong(self, asked: Asked) -> Iterator[str]:
        """Say what of a request is not as described."""
        given = [(name, value) for name, value in parse_qsl(asked.query, keep_blank_values=True)]
        known = {one["name"]: one for one in self.parameters if one["in"] == "query"}
        for name, value in given:
            if name not in known:
                yield f"no parameter {name}"
            else:
                yield from (f"{name}: {why}" for why in self._odd(known[name], value))
        names = {name for name, _ in given}
        for one in known.values():
            # The token of Swagger 2.0's Slack is the Authorization header by now.
            if one.get("required") and one["name"] not in names | {"token"}:
                yield f"{one['name']} is required"
        if self.method in _BODY and self.body is not None:
            validator = self._validator(self.body)
            for error in validator.iter_errors(json.loads(asked.body)):
                yield f"body {'/'.join(map(str, error.absolute_path))}: {error.message[:120]}"

    def _odd(self, parameter: Mapping[str, Json], value: str) -> Iterator[str]:
        schema = followed(parameter.get("schema") or _swagger2(parameter), self.whole)
        kinds = schema.get("type")
        for error in self._validator(schema).iter_errors(_typed(value, kinds, schema, self.whole)):
            yield error.message[:120]

    def _validator(self, schema: Json) -> Any:
        parts = {
            name: self.whole[name] for name in ("components", "definitions") if name in self.whole
        }
        return Draft202012Validator({**parts, "allOf": [schema]})


def _swagger2(parameter: Mapping[str, Json]) -> Json:
    kept = ("type", "enum", "minimum", "maximum", "pattern", "items")
    return {name: parameter[name] for name in kept if name in parameter}


def _typed(value: str, kinds: Json, schema: Json, whole: Json) -> Json:
    """Read the text of a parameter as its schema means it."""
    kind = kinds[0] if isinstance(kinds, list) else kinds
    try:
        match kind:
            case "integer":
                return int(value)
            case "number":
                return float(value)
            case "boolean":
                return {"true": True, "false": False}.get(value, value)
            case "array":
                items = followed(schema.get("items", {}), whole)
                return [_typed(one, items.get("type"), items, whole) for one in value.split(",")]
    except ValueError:
        pass
    return value


def followed(value: Json, whole: Json) -> Json:
    while isinstance(value, dict) and "$ref" in value:
        where, value = value["$ref"], whole
        for part in where.removeprefix("#/").split("/"):
            value = value[part.replace("~1", "/").replace("~0", "~")]
    return value


def operations(file: Path, prefix: str) -> Iterator[Operation]:
    """Read every request that a description of OpenAPI 3 or Swagger 2 holds."""
    text = file.read_text()
    whole = _plain(yaml.safe_load(text) if file.suffix == ".yaml" else json.loads(text))
    for path, item in whole["paths"].items():
        pattern = re.compile(re.escape(prefix) + re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(path)))
        for method in item.keys() & {"get", "post", "put", "patch", "delete"}:
            said = [*item.get("parameters", ()), *item[method].get("parameters", ())]
            content = followed(item[method].get("requestBody", {}), whole).get("content", {})
            body = next((one.get("schema") for one in content.values()), None)
            known = [followed(one, whole) for one in said]
            yield Operation(method, pattern, known, body, whole)


def _plain(value: Json) -> Json:
    """Write OpenAPI 3.0's `nullable` as JSON Schema does, and leave examples out."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {k: _plain(one) for k, one in value.items() if k not in {"example", "examples"}}
    if kept.pop("nullable", None) is True and isinstance(kept.get("type"), str):
        kept["type"] = [kept["type"], "null"]
    return kept


def faults(asked: Iterable[Asked], folder: Path, described: Sequence[Description]) -> set[str]:
    """Check requests; name each kind of fault once."""
    known = [
        operation
        for description in described
        for file in description.files
        for operation in operations(folder / file, description.prefix)
    ]
    found: set[str] = set()
    for one in asked:
        path, passed = one.path, False
        for description in described:
            for old, new in description.renamed.items():
                path = path.replace(old, new)
            passed |= any(re.fullmatch(beyond, path) for beyond in description.beyond)
        if passed:
            continue
        fitting = [
            operation
            for operation in known
            if operation.method == one.method.lower() and operation.path.fullmatch(path)
        ]
        if not fitting:
            found.add(f"{one.method} {path}: it is not described")
            continue
        # A path without places in it is meant before one with.
        best = min(fitting, key=lambda operation: operation.path.pattern.count("[^/]+"))
        departs = [known for description in described for known in description.departs]
        found |= {
            f"{one.method} {path}: {why}"
            for why in best.wrong(one)
            if not any(re.fullmatch(known, why) for known in departs)
        }
    return found


async def _main(folder: Path) -> int:
    logging.disable(logging.CRITICAL)  # what certification breaks on purpose
    count = 0
    for name, described in DESCRIPTIONS.items():
        asked: list[Asked] = []
        await certify(name, asked=asked)
        found = faults(asked, folder, described)
        print(f"{name}: {len(asked)} requests, {len(found)} kinds of fault")  # noqa: T201
        for fault in sorted(found):
            print(f"  {fault}")  # noqa: T201
        count += len(found)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(Path(sys.argv[1]))))
