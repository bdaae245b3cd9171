"""Calendars by CalDAV and as files, against the twin."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.caldav import Calendar
from connectors.twins.caldav import USER, File, Twin
from hub.connector import AuthFailed, Classification, Draft, SourceMisbehaved, Status, now
from hub.connector.clock import moved
from tests.connectors.polling import polling

DAY = timedelta(days=1)


class FileTwin(Twin):
    """A calendar that is read as a file."""

    path = "/work.ics"

    def settings(self, url: str) -> dict[str, Any]:
        return super().settings(url) | {"url": f"{url}{self.path}"}


def at(days: int, hour: int = 9) -> datetime:
    return now().replace(hour=hour, minute=0, second=0, microsecond=0) + days * DAY


def stamp(days: int, hour: int = 9) -> str:
    return at(days, hour).strftime("%Y%m%dT%H%M%SZ")


async def read(*records: dict[str, Any], **settings: Any) -> dict[str, Draft]:
    twin = Twin()
    for record in records:
        twin.emit(record)
    async with polling(twin, **settings) as source:
        await source.poll()
        assert not source.bad
    return source.current


async def test_an_event() -> None:
    ics = (
        f"UID:1@acme\nDTSTART:{stamp(2)}\nDTEND:{stamp(2, 10)}\nSUMMARY:Quarterly review\n"
        "DESCRIPTION:1. Numbers\\n2. Plans\nLOCATION:Room 4\nCATEGORIES:Board,Numbers\n"
        'ORGANIZER;CN="Doe, Jane":mailto:Jane@hub.example\n'
        "ATTENDEE;CN=Joe:MAILTO:joe@ACME.example\nATTENDEE:mailto:ann@hub.example\n"
        "URL:https://meet.example/4\nCREATED:20200101T000000Z"
    )
    (draft,) = (await read({"ics": ics}, customers={"acme.example": "Acme"})).values()
    assert (draft.kind, draft.external_id) == ("meeting.agenda", "event/1@acme")
    assert (draft.title, draft.body) == ("Quarterly review", "1. Numbers\n2. Plans")
    assert draft.url == "https://meet.example/4"
    assert draft.author is not None
    assert (draft.author.name, draft.author.email) == ("Doe, Jane", "jane@hub.example")
    assert draft.account is not None
    assert draft.account.name == "Acme"
    assert draft.labels == ("Board", "Numbers")
    assert (draft.status, draft.classification) == (Status.INFORMATION, Classification.INTERNAL)
    assert draft.attributes == {
        "starts_at": at(2).isoformat(),
        "ends_at": at(2, 10).isoformat(),
        "location": "Room 4",
        "attendees": ["joe@acme.example", "ann@hub.example"],
    }
    # It was made long ago, and came into sight when its day was near enough.
    assert draft.occurred_at == at(2) - timedelta(days=30)


async def test_what_kind_of_event_it_is_its_title_tells() -> None:
    current = await read(
        {"id": "1", "title": "Pitch at Acme"},
        {"id": "2", "title": "Pitched battle"},
        {"id": "3", "title": "Speaking: PyCon"},
        kind="community.event",
        kind_by_title={r"\bpitch\b": "sales.pitch.scheduled", "^speaking": "community.speaking"},
    )
    assert {key: draft.kind for key, draft in current.items()} == {
        "event/1": "sales.pitch.scheduled",
        "event/2": "community.event",
        "event/3": "community.speaking",
    }


async def test_only_what_is_near_is_told_and_the_rest_when_it_comes_near() -> None:
    twin = Twin()
    for days in (-3, 0, 9, 11, 400):
        twin.emit({"id": str(days), "starts": at(days)})
    twin.emit({"ics": f"UID:w\nDTSTART:{stamp(-70)}\nRRULE:FREQ=WEEKLY\nSUMMARY:W"})
    async with polling(twin, ahead="10d") as source:
        await source.poll()
        assert source.current.keys() == {
            "event/0",
            "event/9",
            f"event/w/{stamp(0)}",
            f"event/w/{stamp(7)}",
        }
        asked, fourteenth = len(source.drafts), stamp(14)
        with moved(5 * DAY):
            assert {one.external_id for one in await source.fresh()} == {
                "event/11",
                f"event/w/{fourteenth}",
            }
            assert await source.fresh() == []
    assert len(source.drafts) == asked + 2, "nothing that has ended is told to be gone"


SERIES = "UID:s\nDTSTART;TZID=Europe/Berlin:{start}\nDURATION:PT1H\nSUMMARY:Weekly\n{more}"


async def test_occurrences_of_a_series() -> None:
    start = (now() + DAY).strftime("%Y%m%dT090000")
    second = (now() + 8 * DAY).strftime("%Y%m%dT090000")
    third = (now() + 15 * DAY).strftime("%Y%m%dT090000")
    master = SERIES.format(
        start=start, more=f"RRULE:FREQ=WEEKLY;COUNT=4\nEXDATE;TZID=Europe/Berlin:{second}"
    )
    other = (
        f"UID:s\nRECURRENCE-ID;TZID=Europe/Berlin:{third}\n"
        f"DTSTART;TZID=Europe/Berlin:{third[:9]}140000\nDURATION:PT2H\nSUMMARY:Weekly\\, later"
    )
    both = "\n".join(f"BEGIN:VEVENT\n{one}\nEND:VEVENT" for one in (master, other))
    current = await read({"ics": both})
    assert sorted(draft.title for draft in current.values()) == [
        "Weekly",
        "Weekly",
        "Weekly, later",
    ]
    (later,) = (draft for draft in current.values() if draft.title != "Weekly")
    assert later.thread == "event/s"
    spoken = datetime.fromisoformat(str(later.attributes["ends_at"])) - datetime.fromisoformat(
        str(later.attributes["starts_at"])
    )
    assert spoken == timedelta(hours=2)
    assert later.attributes["recurs"] is True


async def test_an_hour_is_that_of_the_clock_on_the_wall() -> None:
    """Nine in Berlin is another time in UTC when summer has begun there."""
    ics = (
        "UID:s\nDTSTART;TZID=Europe/Berlin:20200101T090000\nDURATION:PT1H\nSUMMARY:Daily\n"
        "RRULE:FREQ=DAILY"
    )
    current = await read({"ics": ics}, ahead="300d")
    hours = {str(draft.attributes["starts_at"])[11:16] for draft in current.values()}
    assert hours == {"07:00", "08:00"}


async def test_whole_days_begin_where_the_calendar_is() -> None:
    day = at(3).strftime("%Y%m%d")
    ics = f"UID:1\nDTSTART;VALUE=DATE:{day}\nSUMMARY:Closed"
    (draft,) = (await read({"ics": ics}, timezone="Asia/Tokyo")).values()
    assert draft.attributes["all_day"] is True
    assert draft.attributes["starts_at"] == (at(3, 0) - timedelta(hours=9)).isoformat()
    assert draft.attributes["ends_at"] == (at(4, 0) - timedelta(hours=9)).isoformat()


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("CLASS:PRIVATE", Classification.RESTRICTED),
        ("CLASS:confidential", Classification.CONFIDENTIAL),
        ("CLASS:PUBLIC", Classification.INTERNAL),
    ],
)
async def test_what_is_private_stays_so(line: str, level: Classification) -> None:
    ics = f"UID:1\nDTSTART:{stamp(1)}\nSUMMARY:Doctor\n{line}"
    (draft,) = (await read({"ics": ics})).values()
    assert draft.classification is level


async def test_a_change_a_cancellation_and_a_return() -> None:
    twin = Twin()
    ics = f"UID:1\nDTSTART:{stamp(3)}\nSUMMARY:Review"
    twin.emit({"file": "1.ics", "ics": ics})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"file": "1.ics", "ics": ics})  # touched, and nothing said by it
        assert await source.fresh() == []
        twin.emit({"file": "1.ics", "ics": ics.replace(stamp(3), stamp(4))})
        (draft,) = await source.fresh()
        assert draft.attributes["starts_at"] == at(4).isoformat()
        twin.emit({"file": "1.ics", "ics": f"{ics}\nSTATUS:CANCELLED"})
        (draft,) = await source.fresh()
        assert (draft.title, draft.status) == ("Cancelled: Review", Status.RESOLVED)
        twin.emit({"file": "1.ics", "ics": ics})
        (draft,) = await source.fresh()
        assert (draft.title, draft.status) == ("Review", Status.INFORMATION)
    assert len(source.stored) == 4, "to come back is a state of its own"


async def test_what_vanishes_is_deleted_and_may_come_back() -> None:
    twin = Twin()
    ics = f"UID:s\nDTSTART:{stamp(1)}\nRRULE:FREQ=DAILY;COUNT=3\nSUMMARY:Daily"
    twin.emit({"file": "s.ics", "ics": ics})
    twin.emit({"file": "1.ics", "ics": f"UID:1\nDTSTART:{stamp(1)}\nSUMMARY:Once"})
    async with polling(twin) as source:
        await source.poll()
        assert len(source.current) == 4
        twin.emit({"file": "s.ics", "ics": f"{ics}\nEXDATE:{stamp(2)}"})
        twin.emit({"file": "1.ics", "gone": True})
        gone = await source.fresh()
        assert {one.external_id for one in gone} == {"event/1", f"event/s/{stamp(2)}"}
        assert {one.status for one in gone} == {Status.DELETED}
        assert await source.fresh() == []
        twin.emit({"file": "s.ics", "ics": ics})
        (back,) = await source.fresh()
        assert (back.external_id, back.status) == (f"event/s/{stamp(2)}", Status.INFORMATION)
        assert source.current[back.external_id] is back


async def test_an_event_that_is_filed_anew_is_not_gone() -> None:
    """Programs that import remove a file and write another of the same UID."""
    twin = Twin()
    ics = f"UID:1\nDTSTART:{stamp(3)}\nSUMMARY:Review"
    twin.emit({"file": "a b@c.ics", "ics": ics})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"file": "a b@c.ics", "gone": True})
        twin.emit({"file": "other.ics", "ics": ics})
        assert await source.fresh() == []


async def test_a_server_that_says_nothing_of_changes() -> None:
    twin = Twin()
    twin.has_mark = False
    twin.emit({"id": "1"})
    async with polling(twin) as source:
        await source.poll()
        assert await source.fresh() == []
        twin.emit({"id": "1", "title": "Moved"})
        assert [one.title for one in await source.fresh()] == ["Moved"]


async def test_a_list_that_is_capped_is_asked_for_in_parts() -> None:
    twin = Twin()
    twin.page = 2
    for number in range(9):
        twin.emit({"id": str(number), "starts": at(2, 8 + number)})
    async with polling(twin) as source:
        await source.poll()
        assert len(source.current) == 9
        for number in range(3):
            twin.emit({"id": f"same-{number}", "starts": at(2)})
        with pytest.raises(SourceMisbehaved, match="lists only a part of the hour"):
            await source.poll()


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("UID:x\nSUMMARY:No start", "no start"),
        ("UID:x\nDTSTART:20", "DTSTART"),
        ("UID:x\nDTSTART:20260101T090000Z\nRRULE:FREQ=SECONDLY", "recurs SECONDLY"),
        (
            "UID:x\nDTSTART:20200101T090000Z\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
            "on a day that no month has",
        ),
        ("UID:x\nDTSTART:20260101T090000Z\nRRULE:FREQ=NEVER", "RRULE|FREQ"),
        ("DTSTART:20260101T090000Z\nRRULE:FREQ=DAILY", "no UID"),
    ],
)
async def test_what_cannot_be_read_is_set_aside_once(lines: str, reason: str) -> None:
    twin = Twin()
    twin.emit({"id": "good"})
    twin.emit({"file": "bad.ics", "ics": lines})
    twin.files["broken.ics"] = File("no calendar", '"b"')
    async with polling(twin) as source:
        await source.poll()
        assert source.current.keys() == {"event/good"}
        assert len(source.bad) == 2
        assert any(re.search(reason, bad.reason) for bad in source.bad), source.bad
        await source.poll()
        assert len(source.bad) == 2


async def test_a_series_that_can_no_longer_be_read_is_not_gone() -> None:
    twin = Twin()
    ics = f"UID:s\nDTSTART:{stamp(1)}\nRRULE:FREQ=DAILY;COUNT=2\nSUMMARY:Daily"
    twin.emit({"file": "s.ics", "ics": ics})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"file": "s.ics", "ics": ics.replace("DAILY", "SOMETIMES")})
        assert await source.fresh() == []
        assert len(source.bad) == 1
        twin.emit({"file": "s.ics", "ics": ics})
        assert await source.fresh() == []


async def test_a_calendar_as_a_file() -> None:
    twin = FileTwin()
    twin.emit({"id": "1"})
    twin.emit({"id": "2", "starts": at(20)})
    async with polling(twin) as source:
        await source.poll()
        assert source.current.keys() == {"event/1", "event/2"}
        assert await source.fresh() == []
        twin.emit({"id": "1", "title": "Moved"})
        twin.emit({"file": "2.ics", "gone": True})
        first, second = await source.fresh()
        assert (first.title, second.status) == ("Moved", Status.DELETED)
        twin.emit({"id": "far", "starts": at(31)})
        assert await source.fresh() == []
        with moved(2 * DAY):  # the file has not changed, and yet there is news
            assert [one.external_id for one in await source.fresh()] == ["event/far"]


@pytest.mark.parametrize("path", ["/", "/nothing.ics"])
async def test_what_is_no_calendar(path: str) -> None:
    twin = FileTwin()
    twin.path = path
    async with polling(twin) as source:
        with pytest.raises(SourceMisbehaved, match="40"):
            await source.poll()


async def test_a_wrong_password() -> None:
    async with polling(Twin(), password="not right") as source:
        with pytest.raises(AuthFailed, match="401"):
            await source.poll()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kind": "sales.deal.won"}, "none of"),
        ({"kind_by_title": {"(": "meeting.agenda"}}, "not a regular expression"),
        ({"timezone": "Mars/Base"}, "there is no time zone"),
        ({"user": USER}, "user and password"),
        ({"user": USER, "password": "p", "oauth": {"bearer": "t"}}, "user and password"),
        ({"ahead": "1h"}, "ahead"),
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Calendar.model_validate({"url": "https://dav.example/work/", **wrong})
