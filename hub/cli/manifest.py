"""Files of documents: GraphQL, or a list that a client's build has written as JSON."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from hub.errors import ConfigError
from hub.store.documents import HASHED, NAME, digest

LARGEST = 256 * 1024  # bytes, as of a request that would send it


@dataclass(frozen=True, slots=True)
class Given:
    """A document and its name. `place`: what errors begin with."""

    name: str
    text: str
    place: str


def read_files(files: Iterable[Path]) -> list[Given]:
    """Read every document of these files. Raises ConfigError."""
    found: dict[str, Given] = {}
    for one in (one for file in files for one in _read(file)):
        _check(one)
        other = found.setdefault(one.name, one)
        if other.text != one.text:
            raise ConfigError(
                f"{one.place}: {other.place} has another text of the name {one.name!r}",
                "Rename one of them",
            )
    return list(found.values())


def _read(file: Path) -> Iterator[Given]:
    try:
        text = file.read_bytes().decode()
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}", "Name files of GraphQL or JSON"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not UTF-8", "Save it as UTF-8") from None
    if file.suffix != ".json":
        yield Given(file.stem, text, str(file))
        return
    for id_, body in _operations(text, file):
        if not isinstance(id_, str) or not isinstance(body, str):
            raise _no_manifest(file)
        hashed = id_.removeprefix(HASHED)
        if hashed != id_ and hashed != digest(body):
            raise ConfigError(f"{file}: {id_} is not the hash of its text", "Write the file anew")
        yield Given(hashed, body, f"{file}: {id_}")


def _operations(text: str, file: Path) -> Iterator[tuple[Any, Any]]:
    """Read what Apollo's tools write, or the plain object of ids and texts that most others do."""
    try:
        listed = orjson.loads(text)
    except ValueError as error:
        raise ConfigError(f"{file} is not JSON: {error}", "Write the file anew") from None
    match listed:
        case {"format": "apollo-persisted-query-manifest", "version": 1, "operations": [*found]}:
            for one in found:
                if not isinstance(one, Mapping):
                    raise _no_manifest(file)
                yield one.get("id"), one.get("body")
        case dict():
            yield from listed.items()
        case _:
            raise _no_manifest(file)


def _check(given: Given) -> None:
    if not NAME.fullmatch(given.name):
        raise ConfigError(
            f"{given.place}: {given.name!r} cannot be a name",
            "Use up to 100 letters, digits and - . _ ~",
        )
    if len(given.text.encode()) > LARGEST:
        raise ConfigError(
            f"{given.place} is larger than {LARGEST // 1024} KiB", "Leave out what it says in vain"
        )
    if "\0" in given.text:
        raise ConfigError(f"{given.place} has a NUL character in it", "Remove it")


def _no_manifest(file: Path) -> ConfigError:
    return ConfigError(
        f"{file} is no list of documents",
        'Write {"id": "text", ...}, or Apollo\'s persisted query manifest of version 1',
    )
