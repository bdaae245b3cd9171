"""What is asked of a CalDAV server in XML, and how it answers.

https://www.rfc-editor.org/rfc/rfc4791 · https://www.rfc-editor.org/rfc/rfc4918#section-13
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]  # has no types
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

from hub.connector import Answer, SourceMisbehaved

_NAMES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'
_SERVER = 'xmlns:S="http://calendarserver.org/ns/"'
_HEAD = '<?xml version="1.0" encoding="utf-8"?>'


@dataclass(frozen=True, slots=True)
class Resource:
    """What a server tells of one address: its properties by local name, those that it has."""

    href: str
    status: int
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The address as it is compared: servers escape it now so, now otherwise."""
        return unquote(urlsplit(self.href).path)

    @property
    def etag(self) -> str:
        return self.properties.get("getetag", "")


def ask_mark() -> bytes:
    """Ask what changes whenever anything in a collection does.

    The token of RFC 6578 is only compared here and never handed in, so it cannot expire. Servers
    without it have the older `getctag`.
    """
    names = "<D:sync-token/><S:getctag/>"
    return _xml(f"<D:propfind {_NAMES} {_SERVER}><D:prop>{names}</D:prop></D:propfind>")


def ask_listing(start: datetime, stop: datetime) -> bytes:
    """Ask which events happen between two times: the server knows that of recurrences too."""
    between = f'start="{_time(start)}" end="{_time(stop)}"'
    return _xml(
        f"<C:calendar-query {_NAMES}><D:prop><D:getetag/></D:prop><C:filter>"
        '<C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">'
        f"<C:time-range {between}/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
    )


def ask_events(hrefs: Iterable[str]) -> bytes:
    wanted = "".join(f"<D:href>{escape(href)}</D:href>" for href in hrefs)
    return _xml(
        f"<C:calendar-multiget {_NAMES}><D:prop><D:getetag/><C:calendar-data/></D:prop>"
        f"{wanted}</C:calendar-multiget>"
    )


def read(answer: Answer) -> list[Resource]:
    """Read a multistatus. Raises SourceMisbehaved."""
    try:
        root: Element = fromstring(answer.content)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise SourceMisbehaved(f"the calendar's answer cannot be read as XML: {error}") from None
    if _local(root) != "multistatus":
        raise SourceMisbehaved(
            "the address answers, but not as a calendar of CalDAV",
            "Give the address of the calendar itself, with a slash at its end",
        )
    return [_resource(part) for part in root if _local(part) == "response"]


def _resource(response: Element) -> Resource:
    properties: dict[str, str] = {}
    status = 200
    href = ""
    for part in response:
        match _local(part):
            case "href":
                href = (part.text or "").strip()
            case "status":
                status = _status(part)
            case "propstat" if all(_status(one) == 200 for one in part if _local(one) == "status"):
                properties |= {
                    _local(one): one.text or ""
                    for prop in part
                    if _local(prop) == "prop"
                    for one in prop
                }
    return Resource(href, status, properties)


def _status(element: Element) -> int:
    """Read "HTTP/1.1 404 Not Found"."""
    words = (element.text or "").split()
    return int(words[1]) if len(words) > 1 and words[1].isdecimal() else 0


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _xml(body: str) -> bytes:
    return (_HEAD + body).encode()
