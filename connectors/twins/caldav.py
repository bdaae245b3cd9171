"""A calendar on a CalDAV server, and as the file that some servers make of one.

https://www.rfc-editor.org/rfc/rfc4791#section-7 · https://www.rfc-editor.org/rfc/rfc6578
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, ClassVar
from urllib.parse import unquote
from xml.etree.ElementTree import Element, SubElement, tostring

import icalendar
import recurring_ical_events  # type: ignore[import-untyped]  # has no types
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]
from starlette.requests import Request
from starlette.responses import Response

from connectors import twins
from connectors.twins import Allowed, Excuse, Fault, moment

USER, PASSWORD = "hub", "not-a-real-password-4711"
HOME = "/calendars/hub/work/"
_DAV, _CALDAV = "{DAV:}", "{urn:ietf:params:xml:ns:caldav}"
_MARKS = {f"{_DAV}sync-token", "{http://calendarserver.org/ns/}getctag"}
_RFC = "https://www.rfc-editor.org/rfc/rfc4791"


@dataclass(frozen=True, slots=True)
class File:
    """What lies in the calendar: an event, or a series with its exceptions."""

    text: str
    etag: str


class Twin(twins.Twin):
    """A calendar.

    Emit takes: id (of the event), title, text, starts, hours, or ics (lines of a VEVENT, or
    several whole ones), file (its name), gone (true: removed).
    """

    connector: ClassVar[str] = "caldav"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.EMPTY_PAGE: Excuse(
            "A report has one answer; what it leaves out it says by 507", f"{_RFC}#section-7.8"
        ),
        Fault.OTHER_HOST: Excuse(
            "Addresses in an answer are named in the next report, never asked themselves",
            f"{_RFC}#section-7.9",
        ),
        Fault.PUSH: Excuse("CalDAV tells nothing by itself", f"{_RFC}#section-1"),
    }

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, File] = {}
        self.has_mark = True
        self._versions = count(1)
        self._epoch = 1
        self._version = 0

    def table(self) -> tuple[Allowed, ...]:
        depth = frozenset({"depth", "content-type"})
        return (
            Allowed("PROPFIND", HOME, self._propfind, headers=depth),
            Allowed("REPORT", HOME, self._report, headers=depth),
            Allowed("GET", "/work.ics", self._whole),
        )

    def settings(self, url: str) -> dict[str, Any]:
        return {
            "url": f"{url}{HOME}",
            "user": USER,
            "password": PASSWORD,
            "page": min(self.page, 200),
        }

    def refuse(self, request: Request) -> Response | None:
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("authorization") == f"Basic {pair}":
            return None
        return Response("Access denied", 401, {"www-authenticate": 'Basic realm="calendars"'})

    def emit(self, record: Mapping[str, Any]) -> dict[str, Any]:
        name = record.get("file") or f"{record.get('id', 'event')}.ics"
        self._version = next(self._versions)
        if record.get("gone"):
            del self.files[name]
            return {"file": name}
        lines = record.get("ics") or self._written(record)
        if not lines.startswith("BEGIN:"):
            lines = f"BEGIN:VEVENT\n{lines}\nEND:VEVENT"
        text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//twin//EN\n{lines}\nEND:VCALENDAR\n"
        self.files[name] = File(text.replace("\n", "\r\n"), f'"{self._version}"')
        return {"file": name, "etag": self.files[name].etag}

    def create(self, number: int, at: datetime) -> str:
        starts = self.now().replace(hour=9, minute=0, second=0) + timedelta(days=1 + number % 20)
        title = f"Meeting {number}"
        self.emit({"id": f"{number}@x", "title": title, "starts": starts, "at": at.isoformat()})
        return f"event/{number}@x"

    def edit(self, number: int, at: datetime) -> None:
        name = f"{number}@x.ics"
        text = self.files[name].text.replace("\r\n", "\n")
        stamp = f"LAST-MODIFIED:{_utc(at)}\n"
        text = re.sub(r"LAST-MODIFIED:.*\n", stamp, text)
        text = re.sub(r"(SUMMARY:.*)", r"\1, moved", text)
        lines = re.findall(r"BEGIN:VEVENT\n(.*)\nEND:VEVENT", text, re.DOTALL)[0]
        self.emit({"file": name, "ics": lines})

    def delete(self, number: int, at: datetime) -> None:
        del at
        self.emit({"file": f"{number}@x.ics", "gone": True})

    def forget(self) -> None:
        """Begin the history anew, as a server does that was restored: all tokens are others."""
        self._epoch += 1

    def strange(self, content_type: str, body: bytes, turn: int | None) -> bytes:
        """Put unknown elements and properties in, and leave out another line of each event."""
        text = body.decode()
        if "xml" in content_type:
            text = text.replace("</ns0:response>", "<x:new xmlns:x='urn:x'/></ns0:response>")
        events = count(turn or 0)

        def stranger(found: re.Match[str]) -> str:
            lines = found[1].strip().split("\n")
            if turn is not None:
                del lines[next(events) % len(lines)]
            return "\n".join(("BEGIN:VEVENT", "X-NEW;X-A=B:1", *lines, "END:VEVENT"))

        return re.sub(r"BEGIN:VEVENT(.*?)END:VEVENT", stranger, text, flags=re.DOTALL).encode()

    def _written(self, record: Mapping[str, Any]) -> str:
        starts = record.get("starts") or self.now() + timedelta(days=1)
        lines = (
            f"UID:{record.get('id', 'event')}",
            f"DTSTART:{_utc(starts)}",
            f"DURATION:PT{record.get('hours', 1)}H",
            f"SUMMARY:{record.get('title', 'Meeting')}",
            f"DESCRIPTION:{record.get('text', 'One question')}",
            f"LAST-MODIFIED:{_utc(moment(record))}",
        )
        return "\n".join(lines)

    async def _propfind(self, request: Request) -> Response:
        asked = {part.tag for part in _body(await request.body(), f"{_DAV}propfind")[0]}
        if not asked <= _MARKS or request.headers["depth"] != "0":
            return Response(f"not in the table: {asked - _MARKS}", 400)
        answer = Element(f"{_DAV}multistatus")
        token = f"http://twin.example/sync/{self._epoch}/{self._version}"
        told = {f"{_DAV}sync-token": token} if self.has_mark else {}
        _tell(answer, HOME, told, missing=asked - told.keys())
        return _xml(answer)

    async def _report(self, request: Request) -> Response:
        body = await request.body()
        asked = fromstring(body)
        if request.headers["depth"] != "1":
            return Response("depth must be 1", 400)
        answer = Element(f"{_DAV}multistatus")
        if asked.tag == f"{_CALDAV}calendar-query":
            [between] = asked.iter(f"{_CALDAV}time-range")
            span = [_read(between.attrib[end]) for end in ("start", "end")]
            found = [name for name, file in self.files.items() if _happens(file.text, *span)]
            for name in found[: self.page]:
                _tell(answer, HOME + name, {f"{_DAV}getetag": self.files[name].etag})
            if len(found) > self.page:
                capped = SubElement(answer, f"{_DAV}response")
                SubElement(capped, f"{_DAV}href").text = HOME
                SubElement(capped, f"{_DAV}status").text = "HTTP/1.1 507 Insufficient Storage"
        elif asked.tag == f"{_CALDAV}calendar-multiget":
            for href in asked.iter(f"{_DAV}href"):
                self._give(answer, href.text or "")
        else:
            return Response(f"not in the table: {asked.tag}", 400)
        return _xml(answer)

    def _give(self, answer: Element, href: str) -> None:
        if (file := self.files.get(unquote(href).removeprefix(HOME))) is None:
            gone = SubElement(answer, f"{_DAV}response")
            SubElement(gone, f"{_DAV}href").text = href
            SubElement(gone, f"{_DAV}status").text = "HTTP/1.1 404 Not Found"
            return
        _tell(answer, href, {f"{_DAV}getetag": file.etag, f"{_CALDAV}calendar-data": file.text})

    async def _whole(self, request: Request) -> Response:
        etag = f'"{self._epoch}-{self._version}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304)
        events = "".join(
            part
            for file in self.files.values()
            for part in re.findall(r"BEGIN:VEVENT.*END:VEVENT\r\n", file.text, re.DOTALL)
        )
        text = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:twin\r\n{events}END:VCALENDAR\r\n"
        return Response(text, 200, {"etag": etag}, "text/calendar")


def _body(content: bytes, root: str) -> Element:
    read: Element = fromstring(content)
    if read.tag != root:
        raise ValueError(f"{read.tag} is not in the table")
    return read


def _tell(
    answer: Element,
    href: str,
    told: Mapping[str, str],
    missing: frozenset[str] | set[str] = frozenset(),
) -> None:
    response = SubElement(answer, f"{_DAV}response")
    SubElement(response, f"{_DAV}href").text = href
    for status, names in (("200 OK", told.keys()), ("404 Not Found", missing)):
        if names:
            propstat = SubElement(response, f"{_DAV}propstat")
            prop = SubElement(propstat, f"{_DAV}prop")
            for name in names:
                SubElement(prop, name).text = told.get(name)
            SubElement(propstat, f"{_DAV}status").text = f"HTTP/1.1 {status}"


def _happens(text: str, start: datetime, stop: datetime) -> bool:
    """Tell whether there is an occurrence; what cannot be read is found by everybody."""
    if re.search("SECONDLY|BYMONTHDAY=30", text):
        return True  # a real server has better things to do, too
    try:
        calendar = icalendar.Calendar.from_ical(text)
        return bool(recurring_ical_events.of(calendar).between(start, stop))
    except (ValueError, LookupError):
        return True


def _read(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _xml(answer: Element) -> Response:
    return Response(tostring(answer, "utf-8"), 207, media_type="application/xml")
