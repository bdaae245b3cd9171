"""The six cursor families, as hub.toml writes them."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Protocol, Self, TypeAlias

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from hub.connector.clock import now
from hub.connector.configured.requests import Listed
from hub.connector.configured.snapshots import ByComparison
from hub.connector.cursors import (
    Batch,
    Delta,
    EventLog,
    IdWatermark,
    ModifiedSince,
    NewestFirst,
    OpaqueToken,
)
from hub.connector.described import Described
from hub.connector.drafts import Cursor, Page, Reader
from hub.connector.mapping import Fields
from hub.connector.paths import AS_TEXT, JsonPath, Template, is_nothing
from hub.connector.times import AnyTime, Duration, TimeFormat, ZoneName, write_time, zone_named
from hub.errors import BadRecord
from hub.signals import Json

FIRST_SYNC = timedelta(days=30)
"""How far back a log of events is read at first, unless the source says since when."""


class Ask(Protocol):
    """Asks for one page of a list; `link` takes the place of all parameters."""

    async def __call__(
        self, params: Mapping[str, Any], place: Json = None, link: str | None = None
    ) -> Listed: ...


class _Family(Described):
    def lacks(self, fields: Fields) -> str | None:
        """Say what this family needs that the fields do not have."""
        del fields
        return None


class Bound(Described):
    """How a list is asked for what came since or until a time."""

    parameter: str
    value: Annotated[Template, PlainValidator(Template.read), *AS_TEXT] | None = None
    """What it says, with `{since}` and `{until}` in it; without it, the time alone."""
    format: TimeFormat = "iso"
    """iso, seconds or milliseconds (since 1970), or as in Python's strftime: `%Y-%m-%d %H:%M`."""
    zone: ZoneName = "UTC"
    """Of a format without zone."""

    def write(self, name: str, times: Mapping[str, datetime | None]) -> dict[str, Any]:
        """Give the parameter, or none where the time that it says is unknown."""
        zone = zone_named(self.zone)
        written = {
            one: None if at is None else write_time(at, self.format, zone)
            for one, at in times.items()
        }
        said = written[name] if self.value is None else self.value.fill(written)
        return {} if said is None else {self.parameter: said}


AnyBound: TypeAlias = Annotated[
    Bound, BeforeValidator(lambda given: {"parameter": given} if isinstance(given, str) else given)
]


class BySince(_Family):
    """A list sorted by time of change, oldest first, that can be asked for what changed since."""

    family: Literal["modified_since"]
    since: AnyBound
    overlap: Duration = timedelta(minutes=2)
    """How late a change may appear in the list: so much is read again."""
    cap: Annotated[int, Field(gt=0)] | None = None
    """The most records that one question can be paged through."""
    at: AnyTime | None = None
    """When a record was changed; else the fields' `revised_at`."""

    def lacks(self, fields: Fields) -> str | None:
        return None if self.at or fields.revised_at else "fields.revised_at, or at"

    def pages(
        self, cursor: Cursor, ask: Ask, fields: Fields, since: datetime | None, *, moving: bool
    ) -> AsyncIterator[Page]:
        async def batch(at: datetime | None, place: Json) -> Batch:
            listed = await ask(self.since.write("since", {"since": at}), place)
            return Batch(listed.records, listed.next)

        family = ModifiedSince(self.overlap, self.cap, moving)
        return family.pages(
            cursor, batch, _when(self.at or fields.revised_at), read=_reader(fields), since=since
        )


class ByToken(_Family):
    """A list that hands out a token, or a link, which stands for a place in it."""

    family: Literal["opaque_token"]
    token: JsonPath
    """Where the answer has it."""
    parameter: str | None = None
    """Sends it back; without it, the token is a link that is followed."""
    start: Mapping[str, Json] = Field(default_factory=dict)
    """What is sent in its place at the very start."""
    more: JsonPath | None = None
    """What is true in the answer while more follows at once; else whether records came."""
    expired: frozenset[int] = frozenset({410})
    """The statuses that say that the token is kept no longer: everything is read once more."""

    def pages(
        self, cursor: Cursor, ask: Ask, fields: Fields, since: datetime | None, *, moving: bool
    ) -> AsyncIterator[Page]:
        del since, moving

        async def delta(state: Json) -> Delta:
            at = dict(state) if isinstance(state, dict) else {}
            token, place = at.get("token"), at.get("page")
            params: dict[str, Any] = {} if self.parameter is None else {self.parameter: token}
            if token is None:
                listed = await ask(self.start, place)
            elif self.parameter is None and place is None:
                listed = await ask({}, None, str(token))
            else:
                listed = await ask(params, place)
            found: Json = self.token.first(listed.reply.body)
            if listed.next is not None:  # the token stands on the last page
                return Delta(listed.records, {"token": token, "page": listed.next}, more=True)
            if self.parameter is None and isinstance(found, str) and found:
                found = listed.link(found)
            after = token if is_nothing(found) else found
            goes_on = self.more.first(listed.reply.body) if self.more else listed.records
            more = bool(goes_on) and after != token
            return Delta(listed.records, None if after is None else {"token": after}, more=more)

        return OpaqueToken(self.expired).pages(cursor, delta, read=_reader(fields))


class ByIds(_Family):
    """A list whose ids grow, that can be asked for the records right after one."""

    family: Literal["id_watermark"]
    parameter: str
    id: JsonPath
    """Where a record has its id, which is a whole number."""
    start: int | None = None
    """Where the first sync begins."""

    def pages(
        self, cursor: Cursor, ask: Ask, fields: Fields, since: datetime | None, *, moving: bool
    ) -> AsyncIterator[Page]:
        del since, moving

        async def batch(after: str | None) -> Batch:
            listed = await ask({} if after is None else {self.parameter: after})
            ids = [one for record in listed.records if (one := _whole(self.id.first(record)))]
            # A short page is not the end, and an id that is sent back is no news.
            return Batch(listed.records, max(ids, default=0) > int(after or 0) or None)

        start = None if self.start is None else str(self.start)
        return IdWatermark().pages(cursor, batch, self.id.first, read=_reader(fields), start=start)


class ByNewest(_Family):
    """A list that gives the newest first."""

    family: Literal["newest_first"]
    since: AnyBound | None = None
    """Without it, pages are read until they are older than what was read before."""
    until: AnyBound | None = None
    overlap: Duration = timedelta(minutes=2)
    """How late a record may appear, or be changed: so much is read again."""
    cap: Annotated[int, Field(gt=0)] | None = None
    """The most records that one question gives: then `until` asks for older ones."""
    at: AnyTime | None = None
    """The time by which the list is sorted; else the fields' `occurred_at` or `revised_at`."""

    @model_validator(mode="after")
    def _can_go_on(self) -> Self:
        if self.cap is not None and self.until is None:
            raise ValueError("a cap needs until: how to ask for what is older")
        return self

    def lacks(self, fields: Fields) -> str | None:
        return None if self.at or fields.occurred_at or fields.revised_at else "fields.occurred_at"

    def pages(
        self, cursor: Cursor, ask: Ask, fields: Fields, since: datetime | None, *, moving: bool
    ) -> AsyncIterator[Page]:
        del moving  # what comes in meanwhile moves records to later pages: they are read again

        async def batch(since: datetime | None, until: datetime | None, place: Json) -> Batch:
            listed = await ask(_between(self.since, self.until, since, until), place)
            return Batch(listed.records, listed.next)

        at = _when(self.at or fields.occurred_at or fields.revised_at)
        family = NewestFirst(self.overlap, self.cap)
        return family.pages(cursor, batch, at, read=_reader(fields), since=since)


class ByEvents(_Family):
    """A log of events that can be asked for those between two times."""

    family: Literal["event_log"]
    since: AnyBound
    until: AnyBound | None = None
    lag: Duration = timedelta(minutes=2)
    """How late an event may appear in the log: so much is read again."""
    span: Duration = timedelta(days=7)
    """The longest time to ask for at once."""
    cap: Annotated[int, Field(gt=0)] | None = None
    """The most events that one span can be paged through: then half of it is asked for."""
    at: AnyTime | None = None
    """When an event was written; else the fields' `occurred_at` or `revised_at`."""

    @model_validator(mode="after")
    def _is_closed(self) -> Self:
        if self.until is None and "{until}" not in str(self.since.value):
            raise ValueError("a log is asked for a closed span: say until, or {until} in since")
        return self

    def lacks(self, fields: Fields) -> str | None:
        return None if self.at or fields.occurred_at or fields.revised_at else "fields.occurred_at"

    def pages(
        self, cursor: Cursor, ask: Ask, fields: Fields, since: datetime | None, *, moving: bool
    ) -> AsyncIterator[Page]:
        del moving  # a closed span stands still

        async def batch(begin: datetime, end: datetime, place: Json) -> Batch:
            listed = await ask(_between(self.since, self.until, begin, end), place)
            return Batch(listed.records, listed.next)

        at = _when(self.at or fields.occurred_at or fields.revised_at)
        family = EventLog(self.lag, self.span, self.cap)
        begin = since or now() - FIRST_SYNC
        return family.pages(cursor, batch, at, read=_reader(fields), since=begin)


Family: TypeAlias = Annotated[
    BySince | ByToken | ByIds | ByNewest | ByEvents | ByComparison, Field(discriminator="family")
]


def _between(
    since: Bound | None, until: Bound | None, begin: datetime | None, end: datetime | None
) -> dict[str, Any]:
    times = {"since": begin, "until": end}
    bounds = (("since", since), ("until", until))
    written = [bound.write(name, times) for name, bound in bounds if bound is not None]
    return {name: value for one in written for name, value in one.items()}


def _when(time: AnyTime | None) -> Callable[[Any], datetime]:
    assert time is not None, "a family says what it lacks when hub.toml is read"

    def when(record: Any) -> datetime:
        try:
            at = time.find(record)
        except BadRecord as error:
            raise ValueError(str(error)) from None
        if at is None:
            raise LookupError("the record has no time")
        return at

    return when


def _reader(fields: Fields) -> Reader:
    seen = now()
    return lambda record: fields.draft(record, seen)


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
