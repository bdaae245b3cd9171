"""Where a value of a record is found: a path, a template or a constant, and what it means."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self, TypeAlias

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    field_validator,
    model_validator,
)

from hub.connector.described import Described
from hub.connector.paths import (
    AS_TEXT,
    JsonPath,
    Template,
    found_at,
    is_nothing,
    quoted,
    text_of,
)
from hub.connector.text import plain
from hub.errors import BadRecord
from hub.signals import Json


class Value(Described):
    """Where a value is found.

    hub.toml may write it short: a text that begins with `$` is a path, one with `{}` a template,
    any other a constant; of a list the first counts that says something.
    """

    model_config = ConfigDict(
        json_schema_extra={"format": "value"},
    )

    path: JsonPath | None = None
    template: Annotated[Template, PlainValidator(Template.read), *AS_TEXT] | None = None
    value: Json = None
    """A constant."""
    first: "tuple[AnyValue, ...]" = ()
    map: Mapping[str, Json] = Field(default_factory=dict)
    """What stands for what is found, upper and lower case alike. What it lacks takes `default`;
    without one the record is set aside. Of several that are found the first that it has counts."""
    default: Json = None
    """What is taken where nothing is found."""
    html: bool = False
    """What is found is HTML, and its text is wanted."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = (self.path, self.template, self.value, self.first or None)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("say one of path, template, value and first")
        if self.map and self.value is not None:
            raise ValueError("a constant needs no map")
        return self

    @field_validator("map")
    @classmethod
    def _folded(cls, given: Mapping[str, Json]) -> Mapping[str, Json]:
        folded = {key.casefold(): value for key, value in given.items()}
        if len(folded) < len(given):
            raise ValueError("two keys differ in upper and lower case only")
        return folded

    def constants(self) -> Iterator[tuple[str, Json]]:
        """Give what this may come to whatever the record says, and where it is written."""
        for index, one in enumerate(self.first):
            yield from ((f"{index}.{name}", value) for name, value in one.constants())
        yield from ((f"map.{key}", value) for key, value in self.map.items())
        given = (("value", self.value), ("default", self.default))
        yield from ((name, value) for name, value in given if value is not None)

    def find(self, record: Any) -> Any:
        """Find the value; None where there is none. Raises BadRecord for what the map lacks."""
        found = self._find(record)
        if self.map and not is_nothing(found):
            found = self._mapped(found)
        elif self.html and isinstance(found, str):
            found = plain(found)
        return self.default if is_nothing(found) else found

    def _find(self, record: Any) -> Any:
        if self.path is not None:
            return found_at(self.path, record)
        if self.template is not None:
            return self.template.fill(record)
        if not self.first:
            return self.value
        lacking: BadRecord | None = None
        for one in self.first:
            try:
                if not is_nothing(found := one.find(record)):
                    return found
            except BadRecord as error:
                lacking = error
        if lacking is not None and self.default is None:
            raise lacking
        return None

    def _mapped(self, found: Any) -> Json:
        several = found if isinstance(found, list) else [found]
        for one in several:
            if (text := text_of(one)) is not None and text.casefold() in self.map:
                return self.map[text.casefold()]
        if self.default is None:
            raise BadRecord(f"{quoted(found)} is not in its map, which has no default")
        return None


def _spelled(value: object) -> object:
    match value:
        case str() if value.startswith("$"):
            return {"path": value}
        case str() if "{" in value or "}" in value:
            return {"template": value}
        case list() | tuple():
            return {"first": value}
        case str() | int() | float():
            return {"value": value}
    return value


AnyValue: TypeAlias = Annotated[Value, BeforeValidator(_spelled)]
