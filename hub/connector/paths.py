"""Paths into JSON, and what is made of them: conditions and templates.

A path is a JSONPath (https://www.rfc-editor.org/rfc/rfc9535) and nothing else: what hub.toml says
is looked up and never run.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Self, TypeAlias

import jsonpath
from jsonpath.selectors import IndexSelector, NameSelector
from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from hub.errors import BadRecord

_PATHS = jsonpath.JSONPathEnvironment(strict=True)
_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]")


def _compiled(text: str) -> jsonpath.JSONPath:
    try:
        read = _PATHS.compile(text)
    except jsonpath.JSONPathError as error:
        # The error's own text draws lines below one another, and fails for an empty path.
        raise ValueError(f"{text!r} is not a JSONPath: {error.args[0]}") from None
    assert isinstance(read, jsonpath.JSONPath), "unions are not of RFC 9535"
    return read


@dataclass(frozen=True, slots=True)
class Path:
    """A JSONPath, read once."""

    text: str
    _query: jsonpath.JSONPath = field(repr=False, compare=False)
    _steps: tuple[str | int, ...] | None = field(repr=False, compare=False)
    """The way to the one place that the path names, if it names one: the usual, and ten times
    as fast as the query."""

    @classmethod
    def read(cls, text: object) -> Self:
        if isinstance(text, cls):
            return text
        if not isinstance(text, str):
            raise ValueError("a JSONPath is a text such as $.title")  # noqa: TRY004
        query = _compiled(text)
        steps = [one for segment in query.segments for one in segment.selectors]
        if not query.singular_query():
            return cls(text, query, None)
        return cls(
            text,
            query,
            tuple(
                one.name if isinstance(one, NameSelector) else one.index
                for one in steps
                if isinstance(one, (NameSelector, IndexSelector))
            ),
        )

    def all(self, record: Any) -> list[Any]:
        """List every place's value, null included."""
        if self._steps is None:
            return self._query.findall(record)
        for step in self._steps:
            match record, step:
                case Mapping(), str() if step in record:
                    record = record[step]
                case list(), int() if -len(record) <= step < len(record):
                    record = record[step]
                case _:
                    return []
        return [record]

    @property
    def names_one_place(self) -> bool:
        return self._steps is not None

    def first(self, record: Any) -> Any:
        return next(iter(self.all(record)), None)

    def __str__(self) -> str:
        return self.text


AS_TEXT = (PlainSerializer(str), WithJsonSchema({"type": "string"}))

JsonPath: TypeAlias = Annotated[Path, PlainValidator(Path.read), *AS_TEXT]


@dataclass(frozen=True, slots=True)
class Condition:
    """What a JSONPath filter says of one record: `@.draft == true || @.type == 'bot'`."""

    text: str
    _query: jsonpath.JSONPath = field(repr=False, compare=False)

    @classmethod
    def read(cls, text: object) -> Self:
        if isinstance(text, cls):
            return text
        if not isinstance(text, str):
            raise ValueError("a condition is a text such as @.draft == true")  # noqa: TRY004
        try:
            query = _compiled(f"$[?{text}]")
        except ValueError as error:
            message = str(error).partition(" is not a JSONPath: ")[2]
            raise ValueError(f"{text!r} is not a JSONPath filter: {message}") from None
        if len(query.segments) != 1 or len(query.segments[0].selectors) != 1:
            raise ValueError(f"{text!r} is more than a JSONPath filter")
        return cls(text, query)

    def holds(self, record: Any) -> bool:
        return bool(self._query.findall([record]))

    def __str__(self) -> str:
        return self.text


Filter: TypeAlias = Annotated[Condition, PlainValidator(Condition.read), *AS_TEXT]


@dataclass(frozen=True, slots=True)
class Template:
    """A text with places in it: `{name} at {host.name}`; `{{` is a brace."""

    text: str
    _parts: tuple[str | Path, ...] = field(repr=False, compare=False)

    @classmethod
    def read(cls, text: object) -> Self:
        if isinstance(text, cls):
            return text
        if not isinstance(text, str):
            raise ValueError("a template is a text such as {name} at {host}")  # noqa: TRY004
        return cls(text, tuple(_parts(text)))

    def fill(self, record: Any) -> str | None:
        """Write the text; None where the record lacks a part of it."""
        written: list[str] = []
        for part in self._parts:
            text = part if isinstance(part, str) else text_of(found_at(part, record))
            if text is None:
                return None
            written.append(text)
        return "".join(written)

    def __str__(self) -> str:
        return self.text


def _parts(text: str) -> Iterator[str | Path]:
    start = 0
    for place in _PLACE.finditer(text):
        yield text[start : place.start()]
        start = place.end()
        if name := place[1]:
            under = "" if name.startswith("[") else "."
            yield Path.read(name if name.startswith("$") else f"${under}{name}")
        elif place[0] in {"{", "}"}:
            raise ValueError(f"{text!r} has a single brace; write {{{{ or }}}} for a brace")
        else:
            yield place[0][0]
    yield text[start:]


def text_of(value: Any) -> str | None:
    """Write what was found as a text; None for what says nothing. Raises BadRecord for a table."""
    match value:
        case str():
            return value or None
        case None:
            return None
        case float() if value.is_integer():
            return str(int(value))  # some write every number so
        case bool() | int() | float():
            return json.dumps(value)
        case list():
            parts = [text for one in value if (text := text_of(one)) is not None]
            return ", ".join(parts) or None
    raise BadRecord(f"{quoted(value)} is a table, where a text is wanted")


def is_nothing(value: Any) -> bool:
    return value is None or value in ("", [])


def texts_of(value: Any) -> Sequence[str]:
    """List the texts that were found, as for labels."""
    several = value if isinstance(value, list) else [value]
    return [text for one in several if (text := text_of(one)) is not None]


def found_at(path: Path, record: Any) -> Any:
    """Give the one value that is found, or the list of those."""
    found = path.all(record)
    return found[0] if len(found) == 1 else [one for one in found if one is not None]


def quoted(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:79]}…"
