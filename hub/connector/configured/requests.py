"""One list of an API: how to ask for a page of it, and where its records are."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, TypeAlias
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from pydantic import Field, model_validator

from hub.connector.api import VALIDATORS, Api, conditional
from hub.connector.configured.links import link_on
from hub.connector.configured.paging import ByLink, ByNextUrl, Paging, Reply, Turn
from hub.connector.described import Described
from hub.connector.paths import JsonPath, Path
from hub.errors import SourceError, SourceMisbehaved
from hub.signals import Json

Judge: TypeAlias = Callable[[Any], SourceError | None]
"""Recognises a refusal in what an API answers with 200."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of records, and what asks for the next; `reply` is the whole answer."""

    records: Sequence[Any]
    next: Json
    reply: Reply
    ours: Mapping[str, Json]
    """The parameters that each request has."""

    def link(self, address: str) -> str:
        """Make a whole address of it, to be kept in a cursor.

        It lacks what each request says anyway, which may be a key.
        """
        ours = {(name, str(value)) for name, value in _pairs(self.ours)}
        parts = urlsplit(link_on(self.reply.url, address))
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        return parts._replace(query=urlencode([one for one in pairs if one not in ours])).geturl()

    @property
    def validators(self) -> dict[str, Json]:
        """What to send back, to be told that nothing has changed."""
        headers = self.reply.headers
        return {name: headers[name] for name in VALIDATORS if headers.get(name)}


class Listing(Described):
    """A list of records at an API. Parameters of a POST go into its body, `a.b` deep into it."""

    path: str = ""
    """Below the source's url."""
    method: Literal["GET", "POST"] = "GET"
    params: Mapping[str, Json] = Field(default_factory=dict)
    """Sent with each request: order, filters, fields."""
    body: Mapping[str, Json] = Field(default_factory=dict)
    """What a POST sends as JSON."""
    records: JsonPath = Field(default_factory=lambda: Path.read("$"))
    """Where the answer has the list of records: `$.data.items`."""
    paging: Paging | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.body and self.method != "POST":
            raise ValueError('only a POST has a body: add method = "POST"')
        if isinstance(self.paging, ByLink) and self.method == "POST":
            raise ValueError("links in a header are followed after a GET only")
        return self

    async def page(
        self,
        api: Api,
        url: str,
        params: Mapping[str, Any],
        place: Json,
        *,
        link: str | None = None,
        validators: Mapping[str, Json] | None = None,
        judge: Judge | None = None,
    ) -> Listed | None:
        """Ask for the page at `place`, or at a link; None where it is as `validators` say."""
        turn = self.paging.turn(place) if self.paging else Turn()
        turn = Turn(link=link) if link else turn
        if self.method == "POST":
            reply = await self._post(api, url, turn, params)
        else:
            headers = conditional(validators or {})
            given = self.params if turn.link else {**self.params, **params, **turn.params}
            answer = await api.fetch(turn.link or self.path, params=given, headers=headers)
            if answer.not_modified:
                return None
            reply = Reply(answer.json(), answer.url, answer.headers)
        if judge is not None and (refused := judge(reply.body)):
            raise refused
        records = self._records(reply)
        following = self.paging.following(place, reply, len(records)) if self.paging else None
        listed = Listed(records, following, reply, self.params)
        if isinstance(self.paging, (ByLink, ByNextUrl)) and isinstance(following, str):
            return replace(listed, next=listed.link(following))
        return listed

    async def _post(self, api: Api, url: str, turn: Turn, params: Mapping[str, Any]) -> Reply:
        body = copy.deepcopy(dict(self.body))
        for name, value in {**params, **turn.params}.items():
            _put(body, name, value)
        path = turn.link or self.path
        if self.params and not turn.link:
            path += ("&" if "?" in path else "?") + urlencode(_pairs(self.params), doseq=True)
        return Reply(await api.post(path, body), urljoin(f"{url.rstrip('/')}/", path), {})

    def _records(self, reply: Reply) -> list[Any]:
        """Find the records. That the list itself is missing is no empty list."""
        text = self.records.text
        where = Path.read(text.removesuffix("[*]")) if text.endswith("[*]") else self.records
        found = where.all(reply.body)
        if not where.names_one_place:
            return found
        if not found:
            raise SourceMisbehaved(
                f"the answer has nothing at {where}, where its records should be"
            )
        match found[0]:
            case list():
                return list(found[0])
            case None:
                return []  # as Go writes an empty list
            case Mapping() if text.endswith("[*]"):
                return list(found[0].values())
            case Mapping():
                return [found[0]]
        raise SourceMisbehaved(f"the answer has no list at {where}")


def _pairs(params: Mapping[str, Json]) -> list[tuple[str, Any]]:
    """List parameters as they are sent, one for each of a list's values."""
    return [
        (name, _word(one))
        for name, value in params.items()
        for one in (value if isinstance(value, list) else [value])
        if one is not None
    ]


def _word(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _put(body: dict[str, Any], name: str, value: Any) -> None:
    *above, last = name.split(".")
    for key in above:
        body = body.setdefault(key, {})
    body[last] = value
