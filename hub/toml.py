"""hub.toml as a text: its tables, where each key stands, and the names of secrets in it."""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from hub.errors import ConfigError

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

_TABLE = re.compile(r"^\s*\[{1,2}\s*([^\[\]]+?)\s*\]{1,2}\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_"'.-]+)*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_LARGEST = 2**63  # what JSON writers take


@dataclass(frozen=True, slots=True)
class Place:
    """The lines of a file's keys."""

    name: str
    lines: Mapping[tuple[str, ...], int]

    def error(self, path: tuple[str, ...], message: str, suggestion: str = "") -> ConfigError:
        """Make the error for a key: file, line of the nearest thing that is there, key, remedy."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        line = f":{self.lines[known]}" if known else ""
        return ConfigError(f"{self.name}{line}: {'.'.join(path)}: {message}", suggestion)


@dataclass(frozen=True, slots=True)
class Tables:
    """What a file says, as JSON can keep it: `${NAME}` is not filled in."""

    data: Mapping[str, Any]
    place: Place


def read_tables(text: str, name: str) -> Tables:
    """Read a TOML text. Raises ConfigError with the line."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _toml_error(error, name) from None
    except RecursionError:
        raise ConfigError(f"{name}: this is nested too deep to read", "Correct it") from None
    place = place_of(text, name)
    return Tables({key: _plain(value, place, (key,)) for key, value in data.items()}, place)


def filled(
    value: Any, environment: Mapping[str, str], place: Place, path: tuple[str, ...] = ()
) -> Any:
    """Put the environment's values where `${NAME}` stands. Raises ConfigError for one not set."""
    if isinstance(value, dict):
        return {key: filled(part, environment, place, (*path, key)) for key, part in value.items()}
    if isinstance(value, list):
        return [filled(part, environment, place, path) for part in value]
    if not isinstance(value, str):
        return value

    def fill(found: re.Match[str]) -> str:
        name = found[1]
        if name not in environment:
            raise place.error(
                path, f"the secret ${{{name}}} is not set", f"Set {name} in the environment or .env"
            )
        return environment[name]

    return REFERENCE.sub(fill, value)


def place_of(text: str, name: str) -> Place:
    """Find the line of every table and key."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if found := _TABLE.match(line):
            table = _parts(found[1])
            for depth in range(1, len(table) + 1):
                lines.setdefault(table[:depth], number)
            lines[table] = number
        elif found := _KEY.match(line):
            lines.setdefault((*table, *_parts(found[1])), number)
    return Place(name, lines)


def _plain(value: Any, place: Place, path: tuple[str, ...]) -> Any:
    """Write what only TOML knows as a text, which every setting takes as well."""
    match value:
        case dict():
            return {key: _plain(part, place, (*path, key)) for key, part in value.items()}
        case list():
            return [_plain(part, place, path) for part in value]
        case date() | time():
            return value.isoformat()
        case float() if not math.isfinite(value):
            return str(value)
        case int() if not -_LARGEST <= value < _LARGEST:
            return str(value)
        case str() if "\0" in value:
            raise place.error(path, "a zero character in a text", "Remove it")
    return value


def _toml_error(error: tomllib.TOMLDecodeError, name: str) -> ConfigError:
    """Put the parser's words beside the file's name."""
    words = str(error)
    where = re.search(r" \(at line (\d+), column \d+\)$", words)
    line = f":{where[1]}" if where else ""
    words = words[: where.start()] if where else words
    if found := re.search(r"Cannot declare \((.+?)\) twice", words):
        key = ".".join(re.findall(r"'([^']+)'", found[1]))
        return ConfigError(f"{name}{line}: {key} is declared twice", "Give one another name")
    return ConfigError(f"{name}{line}: this is not TOML: {words}", "Correct the line")


def _parts(key: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(key))
