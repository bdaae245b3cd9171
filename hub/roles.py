"""The roles and audiences that come along, and what hub.toml writes over them."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


def default_roles() -> Mapping[str, Any]:
    roles: Mapping[str, Any] = _defaults()["roles"]
    return roles


@cache
def _defaults() -> Mapping[str, Any]:
    return tomllib.loads(files("hub").joinpath("roles.toml").read_text())


def role_tables(data: Mapping[str, Any]) -> dict[str, Any]:
    """Give the table of every role that a hub.toml has, number by number."""
    tables = default_roles() if _come_along(data) else {}
    given = data.get("roles", {})
    return {
        **tables,
        **{name: _merged(tables.get(name, {}), table) for name, table in given.items()},
    }


def audience_table(data: Mapping[str, Any]) -> dict[str, Any]:
    """Give the table of audiences that a hub.toml has, kind by kind."""
    base = _defaults()["audiences"] if _come_along(data) else {}
    return _merged(base, data.get("audiences", {}))


def _come_along(data: Mapping[str, Any]) -> bool:
    return bool(data.get("hub", {}).get("default_roles", True))


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
