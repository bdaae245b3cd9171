"""The demo's story and what it makes up: taken by every vendor, in order, and not repetitive."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.config import read_config
from hub.demo.company import company
from hub.demo.configuration import INTRANET, NEWS, SECRET, STANDS, configuration
from hub.demo.folder import Folder, Happening
from hub.demo.live import FASTEST, SLOWEST, Live
from hub.demo.memory import Memory
from hub.demo.script import PEOPLE, WEEK, Event, before, channels, duration, week
from hub.demo.vendors import Vendor
from hub.errors import ConfigError
from hub.signing import new_secret
from hub.testing.twins import find_twin

AN_HOUR = round(3600 / ((FASTEST + SLOWEST) / 2))  # events


def vendors(note: Callable[[Happening], None]) -> dict[str, Vendor]:
    return {
        name: Vendor(name, find_twin(stand.connector)(**stand.twin), note)
        for name, stand in STANDS.items()
    }


def play(events: list[Event], to: dict[str, Vendor], end: datetime) -> None:
    for event in events:
        if event.vendor != PEOPLE:
            to[event.vendor].happen(event.at(end))


def test_the_week_is_told_in_order_within_seven_days() -> None:
    told = week()
    assert 150 <= len(told) <= 200
    agos = [event.ago for event in told]
    assert agos == sorted(agos, reverse=True)
    assert timedelta(0) < agos[-1] < agos[0] < WEEK
    assert {event.vendor for event in told} == {*STANDS, PEOPLE}
    per_day = Counter(ago.days for ago in agos)
    assert per_day.keys() == set(range(7))
    assert min(per_day.values()) >= 10


def test_every_vendor_takes_the_week_with_its_times() -> None:
    noted: list[Happening] = []
    end = datetime(2026, 3, 1, 12, tzinfo=UTC)
    there = vendors(noted.append)
    play([*before(), *week()], there, end)
    assert len(noted) == sum(event.vendor != PEOPLE for event in [*before(), *week()])
    assert max(one.record["at"] for one in noted) < end.isoformat()
    assert [one.record["at"] for one in noted] == sorted(one.record["at"] for one in noted)


def test_customers_are_known_to_sales_and_to_support() -> None:
    named: dict[str, set[str]] = {}
    for event in week():
        told = event.record.get("company") or event.record.get("organization")
        if isinstance(told, dict):
            named.setdefault(told["name"], set()).add(event.vendor)
    assert len(named) >= 8
    assert all(seen == {"hubspot", "zendesk"} for seen in named.values())
    assert set(named) == {one.name for one in company().customers.values()}


def test_addresses_are_plain_and_belong_to_nobody() -> None:
    people = [*company().colleagues.values()]
    people += [person for one in company().customers.values() for person in one.people]
    assert len({one.email for one in people}) == len(people)
    assert all(one.email.isascii() and one.email.endswith(".example") for one in people)
    assert "piotr.zielinski@quayside.example" in {one.email for one in people}
    assert "fatma.yildiz@quayside.example" in {one.email for one in people}


def test_one_channel_is_private() -> None:
    assert [name for name, private in channels().items() if private] == ["board-room"]


@pytest.mark.parametrize("text", ["", "3", "5h 2d 1x", "yesterday", "1d2h"])
def test_a_time_that_cannot_be_read_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        duration(text)


def test_a_time_is_read() -> None:
    assert duration("2d 3h 5m") == timedelta(days=2, hours=3, minutes=5)


def test_an_hour_of_live_events_is_taken_and_does_not_repeat() -> None:
    memory = Memory()
    there, live = vendors(memory.saw), Live.after(0, memory)
    end = datetime.now(UTC)
    play([*before(), *week()], there, end)
    said: list[str] = []
    kinds: Counter[str] = Counter()
    for _ in range(AN_HOUR):
        assert FASTEST <= live.wait() <= SLOWEST
        event = live.next()
        play([event], there, datetime.now(UTC))
        kinds[event.vendor] += 1
        if words := _words(event.record):
            assert "{" not in words
            assert words not in said[-20:]
            said.append(words)
    assert kinds.keys() == {*STANDS, PEOPLE}
    assert len(set(said)) >= 0.95 * len(said)


def _words(record: Any) -> str | None:
    inside = record.get("properties", {})
    names = ("title", "text", "subject", "dealname", "hs_lead_name")
    return next(({**record, **inside}[n] for n in names if {**record, **inside}.get(n)), None)


def test_what_is_open_is_worked_off() -> None:
    memory = Memory()
    there, live = vendors(memory.saw), Live.after(0, memory)
    play([*before(), *week()], there, datetime.now(UTC))
    for _ in range(1000):
        play([live.next()], there, datetime.now(UTC))
        assert len(memory.deals) <= 20
        assert len(memory.tickets) <= 25
        assert len(memory.alerts) <= 25


def test_live_events_after_others_have_other_numbers() -> None:
    def numbers(happened: int) -> set[int]:
        live = Live.after(happened, Memory())
        events = [live.next() for _ in range(200)]
        return {one.record["id"] for one in events if "id" in one.record}

    assert not numbers(0) & numbers(200)


def test_the_configuration_names_every_kind_of_article() -> None:
    categories = {event.record["category"] for event in week() if "category" in event.record}
    live = {*Live.after(0, Memory())._words["news"], *Live.after(0, Memory())._words["intranet"]}
    assert categories | live <= {*NEWS, *INTRANET}
    settings = {
        name: find_twin(stand.connector)(**stand.twin).settings("http://127.0.0.1:1")
        for name, stand in STANDS.items()
    }
    text = configuration(settings, "http://127.0.0.1:2", timedelta(seconds=0.2), datetime.now(UTC))
    config = read_config(text, {SECRET: new_secret()})
    assert set(config.sources) == set(STANDS)
    assert all(one.every == timedelta(seconds=0.2) for one in config.sources.values())
    assert [one.role for one in config.endpoints.values()] == ["sales"]


def test_a_folder_is_taken_up_as_it_was_left(tmp_path: Path) -> None:
    first = Folder.open(tmp_path / "new")
    happenings = [
        Happening("slack", {"text": "Łódź, “quoted”\u2028on two lines"}, scripted=True),
        Happening("news", {"title": "x"}),
    ]
    for one in happenings:
        first.note(one)
    first.ports = {"news": 4000}
    first.save()
    first.close()
    second = Folder.open(tmp_path / "new")
    assert list(second.happened()) == happenings
    assert (second.keys, second.ports) == (first.keys, first.ports)
    assert (second.session_secret, second.webhook_secret) == (
        first.session_secret,
        first.webhook_secret,
    )
    assert second.started_at == first.started_at


def test_a_folder_that_cannot_be_read_is_explained(tmp_path: Path) -> None:
    folder = Folder.open(tmp_path / "new")
    folder.journal.write_text('{"vendor": "news"\n')
    with pytest.raises(ConfigError, match="line 1"):
        list(folder.happened())
    (folder.path / "demo.json").write_text("[]")
    with pytest.raises(ConfigError, match="no demo that this version"):
        Folder.open(folder.path)


def test_a_connector_without_a_stand_in_is_named() -> None:
    with pytest.raises(ConfigError, match="no stand-in for nobody"):
        find_twin("nobody")
