"""Where in a TOML text a key stands, so that an error can name its line."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from hub.errors import ConfigError

_TABLE = re.compile(r"^\s*\[{1,2}\s*([^\[\]]+?)\s*\]{1,2}\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_"'.-]+)*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


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


def toml_error(error: tomllib.TOMLDecodeError, name: str) -> ConfigError:
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
