"""Reading iCalendar: what happens in a span of time, recurrences taken apart.

https://www.rfc-editor.org/rfc/rfc5545
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any

import icalendar
import recurring_ical_events  # type: ignore[import-untyped]  # has no types

from hub.connector import Bad, BadRecord, plain, why

_MOST_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAILY_AT_MOST = {"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}


@dataclass(frozen=True, slots=True)
class Event:
    """One event, or one occurrence of a series."""

    id: str
    uid: str
    """Of the series, where it is one."""
    starts: datetime
    ends: datetime
    all_day: bool
    recurs: bool
    title: str
    text: str
    location: str
    url: str
    status: str
    """CONFIRMED, TENTATIVE or CANCELLED."""
    privacy: str
    """PUBLIC, PRIVATE or CONFIDENTIAL."""
    organizer: tuple[str, str] | None
    attendees: tuple[tuple[str, str], ...]
    """Names, each with an address."""
    categories: tuple[str, ...]
    changed_at: datetime | None

    @property
    def digest(self) -> str:
        """Stand for all that it says; when it was touched is not said by that."""
        said = [
            *(self.starts.isoformat(), self.ends.isoformat(), self.all_day, self.title, self.text),
            *(self.location, self.url, self.status, self.privacy, self.organizer),
            *(sorted(self.attendees), self.categories),
        ]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def read_events(
    content: bytes, start: datetime, stop: datetime, zone: tzinfo
) -> tuple[list[Event], list[Bad]]:
    """List the events of a calendar in a span; a series that cannot be read is set aside.

    `zone` is that of times without one, and of whole days. Raises BadRecord for what is no
    calendar at all.
    """
    try:
        calendar = icalendar.Calendar.from_ical(content)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BadRecord(f"this is no iCalendar: {str(error)[:200]}") from None
    events: list[Event] = []
    bad: list[Bad] = []
    for uid, series in _series(calendar):
        try:
            events += _occurrences(uid, series, start, stop, zone)
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
            raw = series.to_ical().decode(errors="replace")[:4000]
            bad.append(Bad(why(error), raw, f"event/{uid}" if uid else None))
    return events, bad


def _series(calendar: Any) -> Iterator[tuple[str, Any]]:
    """Part a calendar by the UIDs of its events, each with what the calendar says of itself."""
    zones = calendar.walk("VTIMEZONE")
    found: dict[str, list[Any]] = {}
    for event in calendar.walk("VEVENT"):
        uid = str(event.get("UID", ""))
        uid = uid if len(uid) <= 400 else hashlib.sha256(uid.encode()).hexdigest()
        found.setdefault(uid, []).append(event)
    for uid, events in found.items():
        part = icalendar.Calendar()
        for name in ("VERSION", "PRODID", "X-WR-TIMEZONE"):
            if name in calendar:
                part[name] = calendar[name]
        for component in (*zones, *events):
            part.add_component(component)
        yield uid, part


def _occurrences(
    uid: str, series: Any, start: datetime, stop: datetime, zone: tzinfo
) -> list[Event]:
    events = series.walk("VEVENT")
    for event in events:
        _refuse_endless(event)
        if "DTSTART" not in event:
            raise BadRecord("the event has no start")
    if not uid:
        raise BadRecord("the event has no UID")
    recurs = any(name in one for one in events for name in ("RRULE", "RDATE", "RECURRENCE-ID"))
    found = recurring_ical_events.of(series).between(start, stop)
    return [_event(uid, one, zone, recurs=recurs) for one in found]


def _refuse_endless(event: Any) -> None:
    """Refuse rules that would be looked through for hours, and mean nothing in a calendar.

    Anybody may send an invitation; a rule that names no day that exists is searched to the year
    9999.
    """
    for rule in _all(event.get("RRULE")):
        if not _DAILY_AT_MOST.issuperset(rule.get("FREQ", ())):
            raise BadRecord(f"it recurs {rule.get('FREQ', ['never'])[0]}: not read more than daily")
        if any(len(rule.get(name, ())) > 24 for name in ("BYHOUR", "BYMINUTE", "BYSECOND")):
            raise BadRecord("it recurs too often in a day")
        months, days = rule.get("BYMONTH", range(1, 13)), rule.get("BYMONTHDAY", (1,))
        longest = max((_MOST_DAYS[int(month) - 1] for month in months), default=31)
        if all(abs(int(day)) > longest for day in days):
            raise BadRecord("it recurs on a day that no month has")


def _event(uid: str, one: Any, zone: tzinfo, *, recurs: bool) -> Event:
    starts, ends = _at(one.start, zone), _at(one.end, zone)
    which = f"/{_at(one['RECURRENCE-ID'].dt, zone):%Y%m%dT%H%M%SZ}" if recurs else ""
    stamps = (one.get(name) for name in ("LAST-MODIFIED", "CREATED"))
    changed = next((_at(stamp.dt, zone) for stamp in stamps if hasattr(stamp, "dt")), None)
    organizer = one.get("ORGANIZER")
    return Event(
        id=f"event/{uid}{which}",
        uid=uid,
        starts=starts,
        ends=max(ends, starts),
        all_day=not isinstance(one.start, datetime),
        recurs=recurs,
        title=_text(one, "SUMMARY"),
        text=plain(_text(one, "DESCRIPTION")),  # some programs write HTML there
        location=_text(one, "LOCATION"),
        url=_text(one, "URL"),
        status=_text(one, "STATUS").upper() or "CONFIRMED",
        privacy=_text(one, "CLASS").upper() or "PUBLIC",
        organizer=_person(organizer) if organizer else None,
        attendees=tuple(map(_person, _all(one.get("ATTENDEE")))),
        categories=tuple(str(name) for part in _all(one.get("CATEGORIES")) for name in part.cats),
        changed_at=changed,
    )


def _at(value: date | datetime, zone: tzinfo) -> datetime:
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def _text(event: Any, name: str) -> str:
    value = next(iter(_all(event.get(name))), "")
    return str(value).strip()


def _all(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def _person(value: Any) -> tuple[str, str]:
    text = str(value)
    address = text[7:] if text.lower().startswith("mailto:") else ""
    name = str(getattr(value, "params", {}).get("CN", "")) or address or text
    return name, address.lower()


def addresses(event: Event) -> Iterable[str]:
    """List who is asked to come, and who asks."""
    yield from (address for _, address in event.attendees if address)
    if event.organizer and event.organizer[1]:
        yield event.organizer[1]
