"""hub.toml as an immutable snapshot: sources, roles and endpoints, each checked where it stands."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hub import hidden, registry
from hub.access import Sees
from hub.checked import checked, expect_an_address, named, table_at
from hub.connector import Connector, Listener
from hub.declared import (
    NAME,
    AudiencesTable,
    EndpointConfig,
    HubTable,
    OidcTable,
    RetentionTable,
    Role,
    SourceKeys,
)
from hub.errors import ConfigError
from hub.kinds import Department, matches_kind
from hub.roles import audience_table, role_tables
from hub.secrets import refuse_secrets
from hub.signals import Classification
from hub.toml import REFERENCE, Place, Tables, filled, read_tables

HUB_SOURCE = "hub"  # signals about the hub itself, and what people publish
RESERVED = frozenset({HUB_SOURCE})
TABLES = ("hub", "sources", "roles", "audiences", "endpoints", "retention", "oidc")
SOURCE_KEYS = frozenset(
    {"connector", "every", "slowest", "notify_after", "classification", "department", "keep"}
)


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One configured connector. `every` is its interval, `notify_after` where history ends.

    `slowest`: how rarely it is asked while it brings nothing; None: always at its interval.
    """

    name: str
    kind: str  # the connector's name
    connector: Connector
    every: timedelta
    notify_after: datetime | None = None
    classification: Classification | None = None
    department: Department | None = None
    slowest: timedelta | None = None
    keep: timedelta | None = None  # its signals; else what their kind or [retention] says

    @property
    def polled(self) -> bool:
        return not isinstance(self.connector, Listener)


@dataclass(frozen=True, slots=True)
class Config:
    """What hub.toml says. Swapped as a whole, never changed.

    `tables` is what it says as written: names of secrets, not their values; None where a program
    made this. `problems` (by source) is what kept the newest tables of a source out of force.
    `judged`: by which form of each role, as its digest, what is stored is judged.
    """

    hub: HubTable
    sources: Mapping[str, SourceConfig]
    roles: Mapping[str, Role]
    endpoints: Mapping[str, EndpointConfig]
    retention: RetentionTable = field(default_factory=RetentionTable)
    oidc: OidcTable | None = None
    tables: Mapping[str, Any] | None = None
    problems: Mapping[str, ConfigError] = field(default_factory=dict)
    judged: Mapping[str, str] = field(default_factory=dict)

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

    @property
    def polled(self) -> list[str]:
        """The sources that are asked; the others only listen."""
        return [name for name, one in self.sources.items() if one.polled]

    @property
    def sendable(self) -> list[str]:
        """The endpoints whose secret this process has."""
        return [name for name, one in self.endpoints.items() if one.secret is not None]


def load_tables(path: Path) -> Tables:
    """Read hub.toml as it is written. Raises ConfigError, also for a secret written out."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist", "Make one with: hub init") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", "Check the file") from None
    tables = read_tables(text, str(path))
    refuse_secrets(tables)
    return tables


def load_config(path: Path, environment: Mapping[str, str]) -> Config:
    """Read and check hub.toml. Raises ConfigError with file, line, key and remedy."""
    return configure(load_tables(path), environment)


def read_config(text: str, environment: Mapping[str, str], name: str = "hub.toml") -> Config:
    """Check the text of a hub.toml for a program; nothing of it will be stored."""
    return replace(configure(read_tables(text, name), environment), tables=None)


def configure(
    tables: Tables,
    environment: Mapping[str, str],
    *,
    lenient: bool = False,
    elsewhere: Collection[str] | None = None,
) -> Config:
    """Fill in and check what a hub.toml says. Raises ConfigError for the first fault.

    `lenient`: a faulty source is left out, and `problems` says why. `elsewhere`: another process
    has accepted these tables, though not these of their sources; an endpoint whose secret is not
    set here is then for others to send to.
    """
    data, place = tables.data, tables.place
    for key in data.keys() - set(TABLES):
        raise place.error((key,), "unknown table", f"There are: {', '.join(TABLES)}")

    def fill(*path: str) -> dict[str, Any]:
        table: dict[str, Any] = filled(table_at(data, path, place), environment, place, path)
        return table

    def fill_but(secret: str, *path: str) -> dict[str, Any]:
        """Fill a table in; elsewhere than where it was accepted, its secret may not be set."""
        table = table_at(data, path, place)
        unset = set(REFERENCE.findall(str(table.get(secret)))) - environment.keys()
        if elsewhere is None or not unset:
            return fill(*path)
        rest = {key: value for key, value in table.items() if key != secret}
        return {**filled(rest, environment, place, path), secret: None}

    sources: dict[str, SourceConfig] = {}
    problems: dict[str, ConfigError] = {}
    try:
        hub = checked(HubTable, fill("hub"), ("hub",), place)
        roles = _roles(fill("roles"), fill("audiences"), hub, place)
        for name in table_at(data, ("sources",), place):
            try:
                sources[name] = _source(name, fill("sources", name), place)
            except ConfigError as error:
                if not lenient:
                    raise
                problems[name] = _concealed(error, data, environment)
        endpoints = {
            name: _endpoint(name, fill_but("secret", "endpoints", name), roles, place)
            for name in table_at(data, ("endpoints",), place)
        }
        retention = checked(RetentionTable, fill("retention"), ("retention",), place)
        oidc = _oidc(fill_but("client_secret", "oidc"), roles, place) if "oidc" in data else None
        _check_names(roles, {*sources, *problems, *(elsewhere or ())}, place)
    except ConfigError as error:
        raise _concealed(error, data, environment) from None
    hidden.hide_all(*(source.connector for source in sources.values()), *endpoints.values())
    return Config(hub, sources, roles, endpoints, retention, oidc, data, problems)


def _concealed(
    error: ConfigError, data: Mapping[str, Any], environment: Mapping[str, str]
) -> ConfigError:
    """Put the names of secrets where an error's words quote their values."""
    message = error.message
    for name in sorted(set(REFERENCE.findall(repr(data)))):
        value = environment.get(name, "")
        if len(value) >= hidden.SHORTEST:
            message = message.replace(value, f"${{{name}}}")
    return ConfigError(message, error.suggestion)


def _roles(
    given: Mapping[str, Any], audiences: Mapping[str, Any], hub: HubTable, place: Place
) -> dict[str, Role]:
    for name in given:
        if "audiences" in table_at(given, (name,), place, ("roles",)):
            raise place.error(
                ("roles", name, "audiences"),
                "audiences are the same for every role",
                "Write them under [audiences]",
            )
    whole = {
        "hub": {"default_roles": hub.default_roles},
        "roles": given,
        "audiences": audiences,
    }
    tables = role_tables(whole)
    closed = checked(AudiencesTable, audience_table(whole), ("audiences",), place)
    for sort, names in (("kinds", closed.kinds), ("families", closed.families)):
        for what, roles in names.items():
            for unknown in sorted(roles - tables.keys() - {"*"}):
                raise place.error(
                    ("audiences", sort, what),
                    f"no role named {unknown!r}",
                    f"There are: {', '.join(tables)}",
                )
    return {
        name: checked(
            Role,
            {**named(name, table, ("roles", name), place), "audiences": closed.patterns},
            ("roles", name),
            place,
        )
        for name, table in tables.items()
    }


def _source(name: str, table: Mapping[str, Any], place: Place) -> SourceConfig:
    path = ("sources", name)
    if not re.fullmatch(NAME, name) or name in RESERVED:
        raise place.error(path, f"a source may not be called {name!r}", "Use a-z, 0-9, - and _")
    own = {key: value for key, value in table.items() if key in SOURCE_KEYS}
    keys = checked(SourceKeys, own, path, place)
    try:
        kind = registry.find(keys.connector)
    except ConfigError as error:
        raise place.error((*path, "connector"), error.message, error.suggestion) from None
    rest = {key: value for key, value in table.items() if key not in SOURCE_KEYS}
    connector = checked(kind, rest, path, place, SOURCE_KEYS)
    if not isinstance(connector, Listener):
        expect_an_address(connector.endpoint(), path, place)
    every = keys.every or kind.every
    # Who says how often, is taken at their word: only they then say how rarely.
    slowest = keys.slowest or (kind.slowest if keys.every is None else None)
    if slowest is not None and slowest < every:
        words = "it is asked no less often than that as it is"
        raise place.error((*path, "slowest"), words, "Give more than `every`, or leave it out")
    return SourceConfig(
        name=name,
        kind=keys.connector,
        connector=connector,
        every=every,
        slowest=slowest,
        notify_after=keys.notify_after,
        classification=keys.classification,
        department=keys.department,
        keep=keys.keep,
    )


def _endpoint(
    name: str, table: Mapping[str, Any], roles: Mapping[str, Role], place: Place
) -> EndpointConfig:
    path = ("endpoints", name)
    endpoint = checked(EndpointConfig, named(name, table, path, place), path, place)
    if endpoint.role not in roles:
        raise place.error(
            (*path, "role"), f"no role named {endpoint.role!r}", f"There are: {', '.join(roles)}"
        )
    return endpoint


def _oidc(table: Mapping[str, Any], roles: Mapping[str, Role], place: Place) -> OidcTable:
    oidc = checked(OidcTable, table, ("oidc",), place)
    for name, grant in oidc.grants.items():
        for unknown in sorted(grant.roles - roles.keys()):
            raise place.error(
                ("oidc", "grants", name, "roles"),
                f"no role named {unknown!r}",
                f"There are: {', '.join(roles)}",
            )
    return oidc


def _check_names(roles: Mapping[str, Role], sources: Collection[str], place: Place) -> None:
    known = {*sources, HUB_SOURCE, "*"}
    for role in roles.values():
        for table, sees in (("sees", role.sees), ("outlines", role.outlines)):
            for key in ("sources", "restricted") if sees else ():
                for unknown in sorted(getattr(sees, key) - known):
                    raise place.error(
                        ("roles", role.name, table, key),
                        f"no source named {unknown!r}",
                        f"There are: {', '.join(sorted(known))}",
                    )
