"""Calendars of a real Radicale, read by the hub."""

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from connectors.caldav import Calendar as Connected
from connectors.twins import caldav as twin
from hub.connector import Answer
from hub.http import Clients
from hub.opening import opened
from tests.live.hub import reading
from tests.live.radicale import PASSWORD, READER, Calendar, Radicale
from tests.live.systems import HOME

pytestmark = pytest.mark.live

SECRETS = {"PASSWORD": PASSWORD}
SHIPPED = Path(twin.__file__).parent / "recorded" / "caldav.json"


@pytest.fixture
def calendar(radicale: Radicale) -> Iterator[Calendar]:
    with Calendar(radicale, uuid.uuid4().hex[:8]) as calendar:
        yield calendar


@dataclass
class Recording:
    """Hands requests on to a server, and writes down what it answers."""

    api: Any
    exchanges: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, method: str, **how: Any) -> Answer:
        answer: Answer = await self.api.send(method, **how)
        told = {"status": answer.status, "headers": {"content-type": "text/xml; charset=utf-8"}}
        path = urlsplit(answer.url).path
        text = answer.content.decode().replace(path, twin.HOME)  # where the twin has its calendar
        self.exchanges.append({"method": method, "path": twin.HOME, **told, "text": text})
        return answer


def source(calendar: Calendar) -> str:
    return (
        f'connector = "caldav"\nurl = "{calendar.url}"\nuser = "{READER}"\n'
        'password = "${PASSWORD}"\ncustomers = { "acme.example" = "Acme" }\n'
    )


def stamp(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y%m%dT090000Z")


def event(uid: str, title: str, days: int, *more: str) -> str:
    stamped = f"DTSTAMP:{stamp(0)}"
    return "\n".join(
        (
            f"UID:{uid}",
            stamped,
            f"DTSTART:{stamp(days)}",
            "DURATION:PT1H",
            f"SUMMARY:{title}",
            *more,
        )
    )


async def test_meetings_pitches_and_their_changes(calendar: Calendar, tmp_path: Path) -> None:
    agenda = "DESCRIPTION:1. Größe\\n2. Preise"
    calendar.put("review", event("review", "Review", 3, agenda))
    calendar.put(
        "pitch", event("pitch", "Pitch: Acme", 5, "ATTENDEE;CN=Jane:mailto:jane@acme.example")
    )
    calendar.put("past", event("past", "Past", -9))
    async with reading(tmp_path, source(calendar), SECRETS) as hub:
        shown = await hub.shows("event/review", title="Review")
        assert (shown["kind"], shown["body"]) == ("meeting.agenda", "1. Größe\n2. Preise")
        shown = await hub.shows("event/pitch", kind="sales.pitch.scheduled")
        assert (shown["account"]["name"], shown["department"]) == ("Acme", "SALES")
        assert "event/past" not in await hub.signals()

        calendar.put("review", event("review", r"Review\, longer", 4, agenda))
        shown = await hub.shows("event/review", title="Review, longer")
        assert shown["attributes"]["starts_at"].startswith(
            (datetime.now(UTC) + timedelta(days=4)).date().isoformat()
        )
        calendar.put("review", event("review", r"Review\, longer", 4, "STATUS:CANCELLED"))
        await hub.shows("event/review", status="RESOLVED")
        calendar.delete("pitch")
        await hub.shows("event/pitch", status="DELETED")


async def test_a_series_with_exceptions(calendar: Calendar, tmp_path: Path) -> None:
    weekly = event("weekly", "Weekly", 1, "RRULE:FREQ=WEEKLY;COUNT=3")
    calendar.put("weekly", weekly)
    first, second, third = (f"event/weekly/{stamp(days)}" for days in (1, 8, 15))
    async with reading(tmp_path, source(calendar), SECRETS) as hub:
        await hub.shows(third, title="Weekly", status="INFORMATION")
        assert {first, second, third} <= (await hub.signals()).keys()
        other = event("weekly", r"Weekly\, at Acme", 9, f"RECURRENCE-ID:{stamp(8)}")
        calendar.put("weekly", f"{weekly}\nEXDATE:{stamp(15)}", other)
        await hub.shows(third, status="DELETED")
        shown = await hub.shows(second, title="Weekly, at Acme")
        assert shown["thread"] == "event/weekly"
        assert len((await hub.signals())[first]["history"]["edges"]) == 1


async def test_a_wrong_password_stops_the_source(calendar: Calendar, tmp_path: Path) -> None:
    async with reading(tmp_path, source(calendar), {"PASSWORD": "not the right one"}) as hub:
        said = await hub.state("AUTH_FAILED")
    assert "401" in said["lastError"]


async def test_a_calendar_that_is_not_there_is_told(calendar: Calendar, tmp_path: Path) -> None:
    elsewhere = source(calendar).replace(calendar.url, f"{calendar.url[:-1]}-no/")
    async with reading(tmp_path, elsewhere, SECRETS) as hub:
        said = await hub.state("FAILING")
    assert "404" in said["lastError"]


async def test_what_radicale_answers_is_recorded(radicale: Radicale) -> None:
    """Writes build/live/recorded/caldav.json: look through it, and put it beside the twin."""
    with Calendar(radicale, "recorded") as calendar:
        # Without an end: as many are coming up whenever it is given again.
        daily = event("daily", "Stand-up", -30, "RRULE:FREQ=DAILY", "DESCRIPTION:1. Größe")
        later = event("daily", "Stand-up\\, later", -29, f"RECURRENCE-ID:{stamp(-29)}")
        calendar.put("daily", daily, later)
        calendar.put("past", event("past", "Past", -29))
        given = {"url": calendar.url, "user": READER, "password": PASSWORD}
        connector = Connected.model_validate(given)
        async with Clients() as clients, opened(connector.endpoint(), clients) as api:
            recording: Any = Recording(api)
            pages = [page async for page in connector.pull(recording, {})]
        calendar.http.delete("").raise_for_status()
    told = {
        "source": f"Radicale {radicale.version}, with events of ours, by tests/live/test_caldav.py",
        "licence": "Apache-2.0",
        "signals": sum(len(page.drafts) for page in pages),
        "exchanges": recording.exchanges,
    }
    written = HOME / "recorded" / "caldav.json"
    written.parent.mkdir(exist_ok=True)
    written.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    shipped = json.loads(SHIPPED.read_text())
    assert shipped["signals"] == told["signals"]
    for ours, theirs in zip(shipped["exchanges"], recording.exchanges, strict=True):
        assert re.findall(r"<[\w:/-]+", ours["text"]) == re.findall(r"<[\w:/-]+", theirs["text"])
