"""How an API hands out a list in pages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field

from hub.connector.described import Described
from hub.connector.paths import JsonPath, is_nothing
from hub.errors import SourceMisbehaved
from hub.signals import Json

# https://www.rfc-editor.org/rfc/rfc8288#section-3: a comma may stand within the address.
_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_REL = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^",;\s]+))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reply:
    """An API's answer, with what paging looks at."""

    body: Any
    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Turn:
    """What asks for one page: parameters, or a link to follow."""

    params: Mapping[str, Any] = field(default_factory=dict)
    link: str | None = None


class _Paging(Described):
    size: Annotated[int, Field(gt=0)] | None = None
    """How many records to ask for, where one may choose."""
    size_parameter: str | None = None
    """The parameter for that."""
    more: JsonPath | None = None
    """What is true in the answer while another page follows."""

    moving: ClassVar[bool] = False
    """Whether a record that is changed meanwhile moves others to another page."""

    def turn(self, place: Json) -> Turn:
        """Say how to ask for the page at a place; the first one is at None."""
        del place
        return Turn(self._sized)

    @property
    def _sized(self) -> dict[str, Any]:
        if self.size is None or self.size_parameter is None:
            return {}
        return {self.size_parameter: self.size}

    def _goes_on(self, reply: Reply, count: int) -> bool:
        """Tell whether more follows. A short page tells nothing: servers give less than asked."""
        return bool(self.more.first(reply.body)) if self.more else count > 0


class ByPage(_Paging):
    """`?page=2`: until a page is empty, unless the answer says how many there are."""

    by: Literal["page"]
    parameter: str = "page"
    first: int = 1
    """The number of the first page: some count from 0."""
    last: JsonPath | None = None
    """Where the answer has the number of the last page."""

    moving: ClassVar[bool] = True

    def turn(self, place: Json) -> Turn:
        return Turn({**self._sized, self.parameter: _whole(place, self.first)})

    def following(self, place: Json, reply: Reply, count: int) -> Json:
        number = _whole(place, self.first)
        if self.last is not None:
            goes_on = number < _number(self.last, reply)
        else:
            goes_on = self._goes_on(reply, count)
        return number + 1 if goes_on else None


class ByOffset(_Paging):
    """`?offset=100`: until a page is empty, unless the answer says how many there are."""

    by: Literal["offset"]
    parameter: str = "offset"
    total: JsonPath | None = None
    """Where the answer has the number of all records."""

    moving: ClassVar[bool] = True

    def turn(self, place: Json) -> Turn:
        return Turn({**self._sized, self.parameter: _whole(place, 0)})

    def following(self, place: Json, reply: Reply, count: int) -> Json:
        offset = _whole(place, 0) + count
        if self.total is not None and count:
            return offset if offset < _number(self.total, reply) else None
        return offset if self._goes_on(reply, count) and count else None


class ByCursor(_Paging):
    """`?cursor=…`: what the answer says, until it says nothing; also after an empty page."""

    by: Literal["cursor"]
    parameter: str = "cursor"
    next: JsonPath
    """Where the answer has it."""

    def turn(self, place: Json) -> Turn:
        return Turn({**self._sized, **({} if place is None else {self.parameter: place})})

    def following(self, place: Json, reply: Reply, count: int) -> Json:
        del place, count
        found: Json = self.next.first(reply.body)
        if is_nothing(found) or (self.more and not self.more.first(reply.body)):
            return None
        return found


class ByNextUrl(_Paging):
    """The answer holds the address of the next page."""

    by: Literal["next_url"]
    next: JsonPath

    def turn(self, place: Json) -> Turn:
        return Turn(self._sized) if place is None else Turn(link=str(place))

    def following(self, place: Json, reply: Reply, count: int) -> Json:
        del place, count
        found = self.next.first(reply.body)
        if is_nothing(found) or (self.more and not self.more.first(reply.body)):
            return None
        return str(found)


class ByLink(_Paging):
    """The header `Link: <…>; rel="next"` holds it (RFC 8288)."""

    by: Literal["link"]
    rel: str = "next"

    def turn(self, place: Json) -> Turn:
        return Turn(self._sized) if place is None else Turn(link=str(place))

    def following(self, place: Json, reply: Reply, count: int) -> Json:
        del place, count
        if self.more and not self.more.first(reply.body):
            return None
        for address, rest in _LINK.findall(reply.headers.get("link", "")):
            rels = " ".join(one or other for one, other in _REL.findall(rest)).lower().split()
            if self.rel.lower() in rels:
                return str(address)
        return None


Paging: TypeAlias = Annotated[
    ByPage | ByOffset | ByCursor | ByNextUrl | ByLink, Field(discriminator="by")
]


def _whole(place: Json, first: int) -> int:
    return place if isinstance(place, int) else first


def _number(path: JsonPath, reply: Reply) -> float:
    found = path.first(reply.body)
    try:
        return float(found)
    except (TypeError, ValueError):
        raise SourceMisbehaved(f"the answer has no number at {path}") from None
