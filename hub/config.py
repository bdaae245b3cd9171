"""hub.toml as an immutable snapshot: sources, roles and endpoints, each checked where it stands."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from importlib.resources import files
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    StringConstraints,
    ValidationError,
)

from hub import registry, signing
from hub.access import Sees
from hub.connector import Connector
from hub.errors import ConfigError
from hub.kinds import Department
from hub.signals import Classification
from hub.toml import Place, place_of, toml_error

NAME = r"^[a-z][a-z0-9_-]{0,62}$"
HUB_SOURCE = "hub"  # signals about the hub itself, and what people publish
RESERVED = frozenset({HUB_SOURCE})
SOURCE_KEYS = frozenset({"connector", "every", "notify_after", "classification", "department"})
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(value: object) -> object:
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", value)):
        try:
            return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
        except OverflowError:
            raise ValueError(f"{value!r} is longer than time is kept") from None
    if isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration; write 30s, 5m, 2h or 1d")  # noqa: TRY004
    return value


def _classification(value: object) -> object:
    if isinstance(value, str):
        try:
            return Classification[value.upper()]
        except KeyError:
            names = ", ".join(level.name.lower() for level in Classification)
            raise ValueError(f"{value!r} is not one of {names}") from None
    return value


def _signing_secret(value: SecretStr) -> SecretStr:
    signing.key(value.get_secret_value())
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Level = Annotated[Classification, BeforeValidator(_classification)]
Weight = Annotated[float, Field(ge=-1, le=1)]
# A kind, all kinds below one (`sales.*`), or all.
Pattern = Annotated[
    str,
    StringConstraints(
        pattern=r"^(\*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.[a-z][a-z0-9_]*|\.\*))$"
    ),
]
Weights = Mapping[str, Weight]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Interests(_Table):
    kinds: Mapping[Pattern, Weight] = Field(default_factory=dict)
    departments: Mapping[Department, Weight] = Field(default_factory=dict)
    accounts: Weights = Field(default_factory=dict)
    keywords: Weights = Field(default_factory=dict)
    severity: Weight = 0.2
    addressed: Weight = 0.6


class SeesTable(_Table):
    classification: Level = Classification.INTERNAL
    kinds: frozenset[Pattern] = frozenset({"*"})
    except_kinds: frozenset[Pattern] = frozenset()
    departments: frozenset[Department | Literal["*"]] = frozenset({"*"})
    sources: frozenset[str] = frozenset({"*"})
    restricted: frozenset[str] = frozenset()


class Role(_Table):
    name: Annotated[str, Field(pattern=NAME)]
    description: str = ""
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    interests: Interests = Interests()
    sees: SeesTable = SeesTable()

    @cached_property
    def rule(self) -> Sees:
        return Sees(**dict(self.sees))


class EndpointConfig(_Table):
    """Where a role's signals are pushed. The secret never leaves this object."""

    name: Annotated[str, Field(pattern=NAME)]
    role: str
    url: HttpUrl
    secret: Annotated[SecretStr, AfterValidator(_signing_secret)]
    kinds: frozenset[Pattern] = frozenset({"*"})
    min_score: Annotated[float, Field(ge=0, le=1)] | None = None
    select: str | None = None
    headers: Mapping[str, str] = Field(default_factory=dict)


class HubTable(_Table):
    company: str = "Our company"
    default_roles: bool = True
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()


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


class _SourceKeys(_Table):
    connector: str
    every: Annotated[Duration, Field(gt=timedelta(0))] | None = None
    notify_after: AwareDatetime | None = None
    classification: Level | None = None
    department: Department | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """What hub.toml says. Swapped as a whole, never changed."""

    hub: HubTable
    sources: Mapping[str, SourceConfig]
    roles: Mapping[str, Role]
    endpoints: Mapping[str, EndpointConfig]

    @property
    def rules(self) -> Mapping[str, Sees]:
        return {name: role.rule for name, role in self.roles.items()}


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
    for key in data.keys() - {"hub", "sources", "roles", "endpoints"}:
        raise place.error((key,), "unknown table", "There are: hub, sources, roles, endpoints")
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
    return Config(hub, sources, roles, endpoints)


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
    keys = _checked(_SourceKeys, own, path, place)
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
