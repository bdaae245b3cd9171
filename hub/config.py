"""hub.toml as an immutable snapshot: sources, roles and endpoints, each checked where it stands."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import (
    BaseModel,
    SecretStr,
    ValidationError,
)

from hub import registry
from hub.access import Sees
from hub.connector import Connector
from hub.declared import NAME, EndpointConfig, HubTable, RetentionTable, Role, SourceKeys
from hub.errors import ConfigError
from hub.hidden import hide_all
from hub.kinds import Department, matches_kind
from hub.signals import Classification
from hub.toml import Place, place_of, toml_error

HUB_SOURCE = "hub"  # signals about the hub itself, and what people publish
RESERVED = frozenset({HUB_SOURCE})
TABLES = ("hub", "sources", "roles", "endpoints", "retention")
SOURCE_KEYS = frozenset(
    {"connector", "every", "notify_after", "classification", "department", "keep"}
)


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One configured connector. `every` is its interval, `notify_after` where history ends."""

    name: str
    kind: str  # the connector's name
    connector: Connector
    every: timedelta
    notify_after: datetime | None = None
    classification: Classification | None = None
    department: Department | None = None
    keep: timedelta | None = None  # its signals; else what their kind or [retention] says


@dataclass(frozen=True, slots=True)
class Config:
    """What hub.toml says. Swapped as a whole, never changed."""

    hub: HubTable
    sources: Mapping[str, SourceConfig]
    roles: Mapping[str, Role]
    endpoints: Mapping[str, EndpointConfig]
    retention: RetentionTable = field(default_factory=RetentionTable)

    @property
    def rules(self) -> Mapping[str, Sees]:
        return {name: role.rule for name, role in self.roles.items()}

    def keeps(self, source: str, kind: str) -> timedelta:
        """Say how long a signal is kept: as its source says, else its kind, else all."""
        of = self.sources.get(source)
        if of is not None and of.keep is not None:
            return of.keep
        taking = [pattern for pattern in self.retention.kinds if matches_kind(pattern, kind)]
        if not taking:
            return self.retention.signals
        return self.retention.kinds[max(taking, key=len)]


def load_config(path: Path, environment: Mapping[str, str]) -> Config:
    """Read and check hub.toml. Raises ConfigError with file, line, key and remedy."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist", "Make one with: hub init") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", "Check the file") from None
    return read_config(text, environment, str(path))


def read_config(text: str, environment: Mapping[str, str], name: str = "hub.toml") -> Config:
    """Check the text of a hub.toml."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise toml_error(error, name) from None
    except RecursionError:
        raise ConfigError(f"{name}: this is nested too deep to read", "Correct it") from None
    place = place_of(text, name)
    for key in data.keys() - set(TABLES):
        raise place.error((key,), "unknown table", f"There are: {', '.join(TABLES)}")
    data = _filled(data, environment, place, ())
    hub = _checked(HubTable, _table(data, ("hub",), place), ("hub",), place)
    roles = _roles(_table(data, ("roles",), place), hub, place)
    sources = {
        name: _source(name, _table(data, ("sources", name), place), place)
        for name in _table(data, ("sources",), place)
    }
    endpoints = {
        name: _endpoint(name, _table(data, ("endpoints", name), place), roles, place)
        for name in _table(data, ("endpoints",), place)
    }
    _check_names(roles, sources, place)
    hide_all(*(source.connector for source in sources.values()), *endpoints.values())
    keep = _checked(RetentionTable, _table(data, ("retention",), place), ("retention",), place)
    return Config(hub, sources, roles, endpoints, keep)


def default_roles() -> dict[str, Any]:
    text = files("hub").joinpath("roles.toml").read_text()
    roles: dict[str, Any] = tomllib.loads(text)["roles"]
    return roles


def _roles(given: Mapping[str, Any], hub: HubTable, place: Place) -> dict[str, Role]:
    tables = default_roles() if hub.default_roles else {}
    for name in given:
        tables[name] = _merged(tables.get(name, {}), _table(given, (name,), place, ("roles",)))
    return {
        name: _checked(Role, _named(name, table, ("roles", name), place), ("roles", name), place)
        for name, table in tables.items()
    }


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


def _source(name: str, table: Mapping[str, Any], place: Place) -> SourceConfig:
    path = ("sources", name)
    if not re.fullmatch(NAME, name) or name in RESERVED:
        raise place.error(path, f"a source may not be called {name!r}", "Use a-z, 0-9, - and _")
    own = {key: value for key, value in table.items() if key in SOURCE_KEYS}
    keys = _checked(SourceKeys, own, path, place)
    try:
        kind = registry.find(keys.connector)
    except ConfigError as error:
        raise place.error((*path, "connector"), error.message, error.suggestion) from None
    rest = {key: value for key, value in table.items() if key not in SOURCE_KEYS}
    connector = _checked(kind, rest, path, place)
    return SourceConfig(
        name=name,
        kind=keys.connector,
        connector=connector,
        every=keys.every or kind.every,
        notify_after=keys.notify_after,
        classification=keys.classification,
        department=keys.department,
        keep=keys.keep,
    )


def _named(name: str, table: Mapping[str, Any], path: tuple[str, ...], place: Place) -> Any:
    """Give a table its name, which is its key and nothing else."""
    if "name" in table:
        raise place.error((*path, "name"), "a name stands in the table's heading", "Remove it")
    return {**table, "name": name}


def _endpoint(
    name: str, table: Mapping[str, Any], roles: Mapping[str, Role], place: Place
) -> EndpointConfig:
    path = ("endpoints", name)
    endpoint = _checked(EndpointConfig, _named(name, table, path, place), path, place)
    if endpoint.role not in roles:
        raise place.error(
            (*path, "role"), f"no role named {endpoint.role!r}", f"There are: {', '.join(roles)}"
        )
    return endpoint


def _check_names(
    roles: Mapping[str, Role], sources: Mapping[str, SourceConfig], place: Place
) -> None:
    known = {*sources, HUB_SOURCE, "*"}
    for role in roles.values():
        for key in ("sources", "restricted"):
            for unknown in sorted(getattr(role.sees, key) - known):
                raise place.error(
                    ("roles", role.name, "sees", key),
                    f"no source named {unknown!r}",
                    f"There are: {', '.join(sorted(known))}",
                )


_Model = TypeVar("_Model", bound=BaseModel)


def _checked(
    model: type[_Model], table: Mapping[str, Any], path: tuple[str, ...], place: Place
) -> _Model:
    try:
        return model.model_validate(table)
    except ValidationError as error:
        part = error.errors(include_url=False, include_input=False)[0]
        where = (*path, *(str(piece) for piece in part["loc"]))
        raise place.error(where, *_words(part["type"], part["msg"], where, model)) from None


def _words(
    kind: str, message: str, where: tuple[str, ...], model: type[BaseModel]
) -> tuple[str, str]:
    if kind == "missing":
        field = model.model_fields.get(where[-1])
        secret = field is not None and field.annotation is SecretStr
        value = f'"${{{where[-1].upper()}}}"' if secret else "..."
        return "this setting is missing", f"Add {where[-1]} = {value}"
    if kind == "extra_forbidden":
        own = [name for name in model.model_fields if name != "name"]
        if where[0] == "sources":
            own += sorted(SOURCE_KEYS)
        return "there is no such setting", f"There are: {', '.join(own)}"
    return message.removeprefix("Value error, "), "Correct the value"


def _table(
    data: Mapping[str, Any], path: tuple[str, ...], place: Place, above: tuple[str, ...] = ()
) -> dict[str, Any]:
    value: Any = data
    for key in path:
        value = value.get(key, {})
    if not isinstance(value, dict):
        where = (*above, *path)
        raise place.error(where, "this must be a table", f"Write [{'.'.join(where)}]")
    return value


def _filled(value: Any, environment: Mapping[str, str], place: Place, path: tuple[str, ...]) -> Any:
    """Put the environment's values where `${NAME}` stands."""
    if isinstance(value, dict):
        return {key: _filled(part, environment, place, (*path, key)) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, environment, place, path) for part in value]
    if not isinstance(value, str):
        return value

    def fill(found: re.Match[str]) -> str:
        name = found[1]
        if name not in environment:
            raise place.error(
                path, f"the secret ${{{name}}} is not set", f"Set {name} in the environment or .env"
            )
        return environment[name]

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", fill, value)
