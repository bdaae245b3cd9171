"""Calendars: what is coming up, from a CalDAV server or from an address of iCalendar."""

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from textwrap import shorten
from typing import Annotated, Any, ClassVar, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from connectors.caldav import dav
from connectors.caldav.events import Event, addresses, read_events
from connectors.caldav.known import Known
from hub.connector import (
    Api,
    Bad,
    BadRecord,
    Basic,
    Classification,
    Connector,
    Cursor,
    Draft,
    Duration,
    Endpoint,
    Http,
    Page,
    PersonRef,
    SecretStr,
    SourceMisbehaved,
    Status,
    WayIn,
    customer,
    now,
    zone_named,
)

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_MOST = 50  # names in a list
_XML = {"Content-Type": "application/xml; charset=utf-8"}
_PRIVACY = {
    "PRIVATE": Classification.RESTRICTED,
    "CONFIDENTIAL": Classification.CONFIDENTIAL,
}

Span: TypeAlias = tuple[datetime, datetime]


def batched(values: Iterable[str], size: int) -> Iterator[list[str]]:
    """Part values into lists; itertools has it from Python 3.12 on."""
    rest = iter(values)
    while part := [*islice(rest, size)]:
        yield part


def _kind(kind: str) -> str:
    if kind not in Calendar.kinds:
        raise ValueError(f"{kind!r} is none of {', '.join(sorted(Calendar.kinds))}")
    return kind


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is not a regular expression: {error}") from None
    return text


def _zone(name: str) -> str:
    zone_named(name)
    return name


EventKind: TypeAlias = Annotated[str, AfterValidator(_kind)]


class Calendar(Connector):
    """Events of a calendar, from yesterday to some weeks ahead, each occurrence of a series apart.

    One signal per event (`event/<UID>`) or occurrence (`event/<UID>/<its time>`). What changes is
    a new revision; what is cancelled is resolved; what vanishes before it has ended is deleted.
    An event is told when it comes within `ahead`. The agenda is the event's description.

    Attributes: starts, ends (UTC), all_day, recurs, location, attendees (addresses), tentative.
    """

    kinds: ClassVar[frozenset[str]] = frozenset(
        {
            "meeting.agenda",
            "meeting.outcome",
            "sales.pitch.scheduled",
            "community.event",
            "community.speaking",
            "ops.maintenance",
            "team.culture",
        }
    )
    every: ClassVar[timedelta] = timedelta(minutes=5)
    sign_in: ClassVar[str] = (
        "User and password (with two factors: an app password), or OAuth2; a "
        "calendar's secret address needs neither."
    )
    scopes: ClassVar[tuple[str, ...]] = ("read access to the calendar",)
    limits: ClassVar[str] = (
        "Of the past one day is read, ahead as far as `ahead` says. Series that recur more often "
        "than daily are set aside."
    )

    url: str
    """A calendar of CalDAV ends with a slash; any other address is an iCalendar file (.ics)."""
    user: str | None = None
    password: SecretStr | None = None
    oauth: WayIn | None = None
    """OAuth2 in place of user and password, as `auth` of the connector `rest`: Google wants it."""
    kind: EventKind = "meeting.agenda"
    """What an event is: `community.event` for the calendar of a meetup."""
    kind_by_title: dict[Annotated[str, AfterValidator(_pattern)], EventKind] = Field(
        default_factory=lambda: {r"\b(pitch|demo)\b": "sales.pitch.scheduled"}
    )
    """Another kind where a regular expression is found in the title; the first one counts."""
    customers: dict[str, str] = Field(default_factory=dict)
    """Whose domain it is: `{"acme.example" = "Acme"}`. An event with them is about them."""
    ahead: Annotated[Duration, Field(ge=_DAY, le=timedelta(days=400))] = timedelta(days=30)
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """Where whole days begin, and times of which nobody says where they are."""
    page: Annotated[int, Field(gt=0, le=200)] = 50
    """Events that are fetched and stored at once."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.user is None) != (self.password is None) or (self.user and self.oauth):
            raise ValueError("user and password, or oauth, or none of them is needed")
        return self

    def endpoint(self) -> Endpoint:
        if self.user and self.password:
            return Http(self.url, Basic(self.user, self.password))
        return Http(self.url, self.oauth.auth() if self.oauth else None)

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        day = now().replace(hour=0, minute=0, second=0, microsecond=0)
        span = day - _DAY, day + self.ahead
        pages = self._collection if self.url.endswith("/") else self._file
        async for page in pages(api, cursor, span):
            yield page

    async def _file(self, api: Api, cursor: Cursor, span: Span) -> AsyncIterator[Page]:
        known = Known(cursor, span)
        asked = {} if known.is_new_day else {"If-None-Match": cursor.get("etag")}
        headers = {name: str(value) for name, value in asked.items() if value}
        answer = await api.fetch(headers={"Accept": "text/calendar", **headers})
        digest = sha256(answer.content).hexdigest()[:16]
        if answer.not_modified or (cursor.get("mark") == digest and not known.is_new_day):
            yield Page((), cursor)
            return
        try:
            events, bad = await self._read(answer.content, span)
        except BadRecord as error:
            raise SourceMisbehaved(f"the address answers, but {error.message}") from None
        known.saw("", digest, events, bad)
        drafts = [*self._drafts(known, events), *self._gone(known, {""})]
        yield Page(drafts, known.cursor(digest, etag=answer.headers.get("etag")), bad)

    async def _collection(self, api: Api, cursor: Cursor, span: Span) -> AsyncIterator[Page]:
        known = Known(cursor, span)
        about = await self._ask(api, "PROPFIND", dav.ask_mark(), "0")
        told = about[0].properties if about else {}
        mark = told.get("sync-token") or told.get("getctag")
        if mark and mark == cursor.get("mark") and not known.is_new_day:
            yield Page((), cursor)
            return
        listed = await self._listing(api, span)
        changed = (one.href for path, one in listed.items() if known.is_changed(path, one.etag))
        for hrefs in batched(changed, self.page):
            drafts: list[Draft] = []
            bad: list[Bad] = []
            for one in await self._ask(api, "REPORT", dav.ask_events(hrefs), "1"):
                if (content := one.properties.get("calendar-data")) is None:
                    listed.pop(one.path, None)  # gone since it was listed
                    continue
                try:
                    events, odd = await self._read(content.encode(), span)
                except BadRecord as error:
                    events, odd = [], [Bad(error.message, content[:4000])]
                known.saw(one.path, one.etag, events, odd)
                drafts += self._drafts(known, events)
                bad += odd
            yield Page(drafts, known.cursor(None), bad, more=True)
        yield Page([*self._gone(known, listed.keys())], known.cursor(mark))

    async def _listing(self, api: Api, span: Span) -> dict[str, dav.Resource]:
        """List the addresses and versions of what happens; in parts, where a list is capped."""
        start, stop = span
        found = await self._ask(api, "REPORT", dav.ask_listing(start, stop), "1")
        # https://www.rfc-editor.org/rfc/rfc4791#section-7.7 and rfc6578#section-3.6
        if any(one.status == 507 for one in found):
            if stop - start <= _HOUR:
                raise SourceMisbehaved(f"the calendar lists only a part of the hour of {start}")
            middle = start + (stop - start) / 2
            first = await self._listing(api, (start, middle))
            return first | await self._listing(api, (middle, stop))
        return {one.path: one for one in found if one.etag}

    async def _ask(self, api: Api, method: str, content: bytes, depth: str) -> list[dav.Resource]:
        return dav.read(await api.send(method, content=content, headers={**_XML, "Depth": depth}))

    async def _read(self, content: bytes, span: Span) -> tuple[list[Event], list[Bad]]:
        # In a thread: the recurrences of some years take their time.
        return await asyncio.to_thread(read_events, content, *span, zone_named(self.timezone))

    def _drafts(self, known: Known, events: Sequence[Event]) -> Iterator[Draft]:
        for event in events:
            kind = self._kind_of(event)
            if revision := known.revision(event, kind):
                yield self._draft(event, kind, revision)

    def _gone(self, known: Known, files: Collection[str]) -> Iterator[Draft]:
        for name, kind, revision in known.gone(files):
            what: dict[str, Any] = {"kind": kind, "external_id": name, "revision": revision}
            at = now()
            yield Draft(
                **what, revised_at=at, occurred_at=at, title="Removed", status=Status.DELETED
            )

    def _kind_of(self, event: Event) -> str:
        for pattern, kind in self.kind_by_title.items():
            if re.search(pattern, event.title, re.IGNORECASE):
                return kind
        return self.kind

    def _draft(self, event: Event, kind: str, revision: str) -> Draft:
        at = now()
        came = event.starts - self.ahead  # into sight
        title = event.title or "Event without a title"
        is_off = event.status == "CANCELLED"
        who = event.organizer
        facts = {
            "starts_at": event.starts.isoformat(),
            "ends_at": event.ends.isoformat(),
            "all_day": event.all_day,
            "recurs": event.recurs,
            "location": event.location,
            "attendees": [address for _, address in event.attendees if address][:_MOST],
            "tentative": event.status == "TENTATIVE",
        }
        return Draft(
            kind=kind,
            external_id=event.id,
            revision=revision,
            revised_at=at,  # its own stamps stand still where an exception of a series is undone
            occurred_at=min(max(event.changed_at or came, came), at),
            title=f"Cancelled: {title}" if is_off else title,
            summary=shorten(event.text, 400, placeholder="…"),
            body=event.text or None,
            url=event.url or None,
            status=Status.RESOLVED if is_off else Status.INFORMATION,
            classification=_PRIVACY.get(event.privacy, Classification.INTERNAL),
            account=customer(self.customers, addresses(event)),
            author=PersonRef(name=who[0][:300], email=who[1] or None) if who else None,
            labels=event.categories,
            attributes={name: fact for name, fact in facts.items() if fact},
            thread=f"event/{event.uid}" if event.recurs else None,
        )
