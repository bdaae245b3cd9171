"""The hub.toml that `hub init` writes: examples made of what is installed, so they stay true.

It is what one begins with. Every setting with its default stands in deploy/hub.default.toml.
"""

import json
import re
import textwrap
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from hub.cli.form import Setting, about, form
from hub.connector import Connector
from hub.roles import default_roles

WIDTH = 98

_HEAD = """\
# What the hub reads, who should hear of it, and where it is sent.
#
# Remove the # before a line to put it in force, then run `hub check`: it says what is wrong, with
# line and remedy. ${NAME} takes a secret from the environment or from .env beside this file.
# deploy/hub.default.toml, among the hub's sources, has every setting with its default.

[hub]
company = "Our company"
"""
_SOURCES = """\

# Sources: one table each, under a name of your choice. Every source also takes
#   every = "5m"                           how often to ask
#   slowest = "1h"                         how rarely, while it brings nothing; else always `every`
#   notify_after = 2026-01-01T00:00:00Z    what happened before is history: kept, never sent
#   classification = "confidential"        public, internal, confidential or restricted
#   department = "sales"                   else what each kind says
#   keep = "90d"                           how long its signals are kept; else see [retention]
# `hub connectors show NAME` lists what else a connector takes.
"""
_ROLES = """\

# Roles: what you write here goes over those that come along.
# {names}

#[roles.sales]
#threshold = 0.55                          # hears of a signal from this relevance on
#[roles.sales.interests.accounts]
#"Acme" = 0.3                              # whatever happens at Acme matters more
#[roles.sales.sees]
#classification = "confidential"           # and nothing above
"""
_RETENTION = """\

# How long things are kept. A source's own `keep` goes first, then the longest pattern of a kind.

#[retention]
#signals = "400d"                          # since their last change
#log = "90d"                               # and so the oldest cursor that still works
#raw = "30d"                               # records that could not be read
#deliveries = "30d"                        # those that are over
#kinds = { "chat.*" = "90d" }
"""
_ENDPOINTS = """\

# Endpoints: where a role's signals are pushed, as signed webhooks:
# https://www.standardwebhooks.com

#[endpoints.sales-desk]
#role = "sales"
#url = "https://desk.example/hooks/hub"
#secret = "${SALES_DESK_SECRET}"           # whsec_ and base64: what the receiver checks with
#kinds = ["sales.*", "support.escalation"] # else all
#min_score = 0.6                           # else the role's threshold
#select = "id title account { name }"      # fields of Signal, as in schema.graphql; else most
"""


def hub_toml(connectors: Mapping[str, type[Connector]]) -> str:
    """Write a hub.toml that is in force as it is, with everything else in comments."""
    lines = [_HEAD, _SOURCES]
    for name, connector in connectors.items():
        lines.append("")
        lines += [f"# {line}" for line in textwrap.wrap(about(connector), WIDTH)]
        lines += [f"#{line}" for line in source_example(name, connector)]
    roles = ", ".join(default_roles())
    return "\n".join([*lines, _ROLES.format(names=roles), _ENDPOINTS]).replace("\n\n\n", "\n\n")


def source_example(name: str, connector: type[Connector]) -> list[str]:
    """Write the table of a source with the settings that it must have."""
    settings = form(connector)
    required = [one for one in settings if one.required]
    # Some sign in one way or another, so that no single secret is required by itself.
    ways = [[], *([one] for one in settings if one.secret and not one.required)]
    for way in ways:
        chosen = [*required, *way]
        if _is_enough(connector, _lines(name, chosen, ())):
            break
    else:
        chosen = required
    source = name.replace("_", "-")
    head = [f"[sources.{source}]", f'connector = "{name}"']
    return [*head, *_lines(name, chosen, ("sources", source))]


def _lines(name: str, settings: Sequence[Setting], above: tuple[str, ...]) -> list[str]:
    """Write settings, and after them the tables among them."""
    plain = [_line(name, one) for one in settings if not isinstance(one.example, dict)]
    tables = [one for one in settings if isinstance(one.example, dict)]
    return plain + [line for one in tables for line in _tables((*above, one.name), one.example)]


def _tables(path: tuple[str, ...], table: Mapping[str, Any]) -> list[str]:
    inner = {key: part for key, part in table.items() if isinstance(part, dict)}
    values = [f"{key} = {json.dumps(part)}" for key, part in table.items() if key not in inner]
    below = [line for key, part in inner.items() for line in _tables((*path, key), part)]
    return [*([f"[{'.'.join(path)}]", *values] if values else []), *below]


def _is_enough(connector: type[Connector], lines: Sequence[str]) -> bool:
    try:
        connector.model_validate(tomllib.loads("\n".join(lines)))
    except ValidationError:
        return False
    return True


def _line(name: str, setting: Setting) -> str:
    line = f"{setting.name} = {_value(name, setting)}"
    said = f"{line:<41} # {setting.description}"
    return said if setting.description and len(said) <= WIDTH else line


def _value(name: str, setting: Setting) -> str:
    """Invent a value that the setting takes, or name the variable of a secret."""
    if setting.secret:
        return f'"${{{name}_{setting.name}}}"'.upper()
    if setting.example is not None:
        return json.dumps(setting.example, ensure_ascii=False)
    invented = {
        "text": f'"https://{name.replace("_", "-")}.example"' if _is_address(setting) else '"..."',
        "URL": f'"https://{name.replace("_", "-")}.example"',
        "whole number": "1",
        "number": "1.0",
        "true or false": "true",
        "time": "2026-01-01T00:00:00Z",
        "duration": '"PT1H"',
        "table": "{}",
        "list of text": '["..."]',
    }
    return invented.get(setting.type, f'"{setting.type.partition(" or ")[0]}"')


def _is_address(setting: Setting) -> bool:
    return re.search(r"(^|_)url$", setting.name) is not None
