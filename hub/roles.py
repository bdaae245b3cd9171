"""The roles that come along, and what hub.toml writes over them."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any


def default_roles() -> dict[str, Any]:
    text = files("hub").joinpath("roles.toml").read_text()
    roles: dict[str, Any] = tomllib.loads(text)["roles"]
    return roles


def role_tables(data: Mapping[str, Any]) -> dict[str, Any]:
    """Give the table of every role that a hub.toml has, number by number."""
    tables = default_roles() if data.get("hub", {}).get("default_roles", True) else {}
    given = data.get("roles", {})
    return tables | {name: _merged(tables.get(name, {}), table) for name, table in given.items()}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **base,
        **{
            key: _merged(base[key], value)
            if isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
            else value
            for key, value in over.items()
        },
    }
