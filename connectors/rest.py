"""Any API that answers with JSON, read by what hub.toml says alone."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Self

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from hub.connector import (
    MAPPED_KINDS,
    Api,
    ByComparison,
    ByIds,
    Connector,
    Cursor,
    Endpoint,
    Family,
    Fields,
    Http,
    Json,
    Listed,
    Listing,
    Page,
    Refusal,
    WayIn,
    streams,
)


class Stream(Listing):
    """One list of records: how to ask for what is new of it, and what its records say."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "path": "items",
                    "cursor": {"family": "snapshot"},
                    "fields": {"id": "$.id", "kind": "team.post", "title": "$.title"},
                }
            ]
        }
    )

    cursor: Family
    """The family of the list, which is how it can be asked for what is new."""
    fields: Fields

    @model_validator(mode="after")
    def _reads(self) -> Self:
        if lacking := self.cursor.lacks(self.fields):
            raise ValueError(f"the cursor family {self.cursor.family} needs {lacking}")
        if isinstance(self.cursor, ByIds) and self.paging:
            raise ValueError("id_watermark pages by ids: leave paging out")
        return self


class Rest(Connector):
    """Lists of an HTTP API, each a stream: [docs/rest.md](rest.md) walks through one.

    What a stream reads, the kinds that it emits and how it is asked for what is new is up to
    hub.toml. A GET that takes no parameters of time is asked with `If-None-Match` and
    `If-Modified-Since` where the API sends what they need.
    """

    kinds: ClassVar[frozenset[str]] = MAPPED_KINDS

    sign_in: ClassVar[str] = (
        "As the API wants it: a bearer token, a user and a password, a key in a header, or OAuth2."
    )
    limits: ClassVar[str] = (
        "`per_minute` requests; a 429 is waited out. What an API tells of deletions depends on it."
    )

    url: str
    """The address that the streams' paths are below."""
    auth: WayIn | None = None
    headers: Mapping[str, str] = Field(default_factory=dict)
    """Sent with each request: a version, a tenant."""
    streams: Annotated[Mapping[str, Stream], Field(min_length=1)]
    """The lists to read, by names of your own."""
    since: AwareDatetime | None = None
    """Where the first sync begins; without it, at the start (of an event log: 30 days ago)."""
    refusal: Refusal | None = None
    """How the API refuses, if it does so with 200."""
    per_minute: Annotated[int, Field(gt=0)] = 60

    def endpoint(self) -> Endpoint:
        auth = self.auth.auth() if self.auth else None
        return Http(self.url, auth, self.per_minute, self.headers)

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        pulls = {name: partial(self._pull, api, stream) for name, stream in self.streams.items()}
        async for page in streams(cursor, pulls):
            yield page

    def _pull(self, api: Api, stream: Stream, cursor: Cursor) -> AsyncIterator[Page]:
        judge = self.refusal.judge if self.refusal else None

        async def ask(
            params: Mapping[str, Any], place: Json = None, link: str | None = None
        ) -> Listed:
            listed = await stream.page(api, self.url, params, place, link=link, judge=judge)
            assert listed is not None, "only who sends validators hears that nothing changed"
            return listed

        async def look(place: Json, validators: Mapping[str, Json]) -> Listed | None:
            # Of several pages the first may be as it was while another is not.
            sent = None if stream.paging else validators
            return await stream.page(api, self.url, {}, place, validators=sent, judge=judge)

        if isinstance(stream.cursor, ByComparison):
            return stream.cursor.pages(cursor, look, stream.fields)
        moving = stream.paging is not None and stream.paging.moving
        return stream.cursor.pages(cursor, ask, stream.fields, self.since, moving=moving)
