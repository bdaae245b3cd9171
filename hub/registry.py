"""Finds connectors by name: the modules of connectors/, then installed entry points."""

import importlib
import pkgutil
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from hub.connector import Connector
from hub.errors import ConfigError

GROUP = "hub.connectors"


def names() -> list[str]:
    """List every connector that can be named in hub.toml."""
    return sorted({*_files(), *_installed()})


def find(name: str) -> type[Connector]:
    """Load the connector class of this name. Raises ConfigError with the nearest names."""
    if name in _files():
        return _class_in(importlib.import_module(f"connectors.{name}"))
    if entry := _installed().get(name):
        return _checked(entry.load(), entry.value)
    near = get_close_matches(name, names(), n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(names())}"
    raise ConfigError(f"no connector named {name!r}", hint)


def _files() -> list[str]:
    package = importlib.import_module("connectors")
    return [one.name for one in pkgutil.iter_modules(package.__path__) if one.name != "twins"]


def _installed() -> Mapping[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _class_in(module: ModuleType) -> type[Connector]:
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Connector)
        and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise ConfigError(
            f"{module.__name__} defines {len(found)} connectors",
            "A connector file holds one class that subclasses hub.connector.Connector",
        )
    return found[0]


def _checked(value: object, where: str) -> type[Connector]:
    if isinstance(value, type) and issubclass(value, Connector):
        return value
    raise ConfigError(f"the entry point {where} is not a Connector", "Ask whoever packaged it")
