"""Finds secrets that are written out in hub.toml: what is stored of it are their names alone."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr

from hub import registry
from hub.declared import EndpointConfig, OidcTable
from hub.errors import ConfigError
from hub.hidden import SIGNS_IN
from hub.toml import REFERENCE, Tables

Path = tuple[str, ...]

_NAME = re.compile(
    r"(.*[_-])?(secret|token|passw(or)?d|pwd|sig(nature)?|(api|access|private)[_-]?key)|key|auth",
    re.IGNORECASE,
)
_PASSWORD = re.compile(r"://[^/\s:@]*:([^@/\s]+)@")
_QUERY = re.compile(r"[?&]([^=&#\s]+)=([^&#\s]+)")


def refuse_secrets(tables: Tables) -> None:
    """Raise ConfigError for the first secret that is written out, without its value."""
    for path, what in _written_out(tables.data):
        name = re.sub(r"\W+", "_", "_".join(path[1:])).upper()
        raise tables.place.error(
            path,
            f"{what} is written out here",
            f"Write ${{{name}}} in its place and put the value into .env as {name}",
        )


def _written_out(data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for name, table in _tables(data, "sources"):
        yield from _of_source(table, ("sources", name))
    for name, table in _tables(data, "endpoints"):
        yield from _of_type(EndpointConfig, table, ("endpoints", name))
    yield from _of_type(OidcTable, data.get("oidc"), ("oidc",))
    yield from _in_texts(data, ())


def _tables(data: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give the tables under a key; what else stands there is found wrong elsewhere."""
    tables = data.get(key)
    if isinstance(tables, Mapping):
        yield from ((name, table) for name, table in tables.items() if isinstance(table, Mapping))


def _of_source(table: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str]]:
    try:
        kind = registry.find(str(table.get("connector")))
    except ConfigError:
        return  # it will be said, and nothing of this table is stored
    yield from _of_type(kind, table, path)
    for key, value in table.items():
        # A connector should have declared it a secret; this one may not.
        if _NAME.fullmatch(key) and _is_literal(value):
            yield (*path, key), "a secret"


def _of_type(kind: Any, value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Look for texts where a type says that a secret stands."""
    match value:
        case list():
            for part in value:
                yield from _of_type(kind, part, path)
        case dict():
            for key, part in value.items():
                for one in _of_key(kind, key):
                    yield from _of_type(one, part, (*path, key))
        case str() if _holds_secret(kind) and _is_literal(value):
            yield path, "a secret"


def _of_key(kind: Any, key: str) -> Iterator[Any]:
    """Give the types that a value under a key may have, as far as the table's type tells."""
    if isinstance(kind, type) and get_origin(kind) is None:
        fields = kind.model_fields if issubclass(kind, BaseModel) else {}
        yield from (
            field.annotation for name, field in fields.items() if key == (field.alias or name)
        )
    elif isinstance(origin := get_origin(kind), type) and issubclass(origin, Mapping):
        yield get_args(kind)[-1]
    else:
        for one in get_args(kind):
            yield from _of_key(one, key)


def _holds_secret(kind: Any) -> bool:
    return kind is SecretStr or any(_holds_secret(one) for one in get_args(kind))


def _in_texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Look for secrets in what is no secret as a whole: in addresses, headers, parameters."""
    match value:
        case dict():
            for key, part in value.items():
                yield from _in_texts(part, (*path, key))
        case list():
            for part in value:
                yield from _in_texts(part, path)
        case str():
            yield from ((path, what) for what in _in_address(value))
            if path[-2:-1] == ("headers",) and SIGNS_IN.search(path[-1]) and _is_literal(value):
                yield path, "a secret"
            if path[-2:-1] == ("params",) and _NAME.fullmatch(path[-1]) and _is_literal(value):
                yield path, "a secret"


def _in_address(text: str) -> Iterator[str]:
    if any(_is_literal(found) for found in _PASSWORD.findall(text)):
        yield "the password of an address"
    for key, value in _QUERY.findall(text) if "://" in text else ():
        if _NAME.fullmatch(key) and _is_literal(value):
            yield f"the {key} of an address"


def _is_literal(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and REFERENCE.search(value) is None
