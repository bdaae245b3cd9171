"""Statuspage: what a page shows, what changes on it, and what is gone from it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from connectors.statuspage import Statuspage
from connectors.twins.statuspage import Twin
from hub.connector import Accepted, Pushed, Severity, SourceMisbehaved, Status, now
from hub.errors import PushRefused, TakesNoPushes
from tests.connectors.polling import polling
from tests.servers import serve

NINE = "2026-05-04T09:00:00+00:00"
TEN = "2026-05-04T10:00:00+00:00"


def pushed(twin: Twin, about: dict[str, Any], query: str | None = None) -> Pushed:
    call = twin.call(about)
    address = f"https://hub.example/push/page?{call.query if query is None else query}"
    return Pushed(call.method, address, call.headers, call.body, now())


async def test_an_incident_is_one_signal_from_the_first_report_to_the_postmortem() -> None:
    twin = Twin()
    states = []
    async with polling(twin) as source:
        for status in ("investigating", "identified", "monitoring", "resolved", "postmortem"):
            twin.emit({"number": 1, "name": "Slow API", "status": status, "at": NINE})
            states += await source.fresh()
        before = source.cursor
        assert await source.fresh() == []
        assert source.cursor == before
    assert {draft.external_id for draft in states} == {"incident/i1"}
    assert [draft.kind.rpartition(".")[2] for draft in states] == [
        "triggered", "acknowledged", "acknowledged", "resolved", "resolved"]  # fmt: skip
    assert [draft.severity for draft in states] == [Severity.HIGH] * 3 + [None] * 2
    first, second = states[:2]
    assert (first.title, first.status) == ("Slow API", Status.OPEN)
    assert first.occurred_at == first.revised_at == datetime(2026, 5, 4, 9, tzinfo=UTC)
    assert second.summary == "Identified: The cause is known, a fix is under way."
    assert second.body == f"{second.summary}\n\n{first.summary}"
    assert first.url == "https://stspg.example/i1"
    assert first.attributes == {
        "page": "Acme",
        "state": "investigating",
        "impact": "major",
        "components": ["Checkout"],
    }


@pytest.mark.parametrize(
    ("impact", "severity"),
    [
        ("none", Severity.LOW),
        ("minor", Severity.MEDIUM),
        ("major", Severity.HIGH),
        ("critical", Severity.CRITICAL),
        ("odd", None),
    ],
)
async def test_the_impact_is_the_severity(impact: str, severity: Severity | None) -> None:
    twin = Twin()
    twin.emit({"impact": impact})
    async with polling(twin) as source:
        [draft] = await source.fresh()
    assert draft.severity is severity


async def test_an_update_that_is_reworded_is_a_revision_though_no_time_moves() -> None:
    twin = Twin()
    incident = twin.emit({"number": 1, "at": NINE})
    async with polling(twin) as source:
        await source.poll()
        incident["incident_updates"][0]["body"] = "<p>We are <b>looking</b>.</p>"
        [reworded] = await source.fresh()
    assert reworded.body == "Investigating: We are looking."


async def test_times_carry_the_offset_of_the_page() -> None:
    twin = Twin()
    twin.zone = timedelta(hours=-6)
    shown = twin.emit({"at": NINE})
    assert shown["created_at"] == "2026-05-04T03:00:00.000-06:00"
    async with polling(twin) as source:
        [draft] = await source.fresh()
    assert draft.occurred_at == datetime(2026, 5, 4, 9, tzinfo=UTC)


async def test_maintenance_is_announced_for_when_it_is_planned() -> None:
    twin = Twin()
    planned = {"number": 1, "scheduled_for": TEN, "scheduled_until": TEN, "impact": "maintenance"}
    async with polling(twin) as source:
        twin.emit(planned | {"at": NINE})
        [announced] = await source.fresh()
        twin.emit(planned | {"status": "completed", "at": TEN})
        [done] = await source.fresh()
    assert (announced.kind, announced.external_id) == ("ops.maintenance", "maintenance/i1")
    assert announced.occurred_at == datetime(2026, 5, 4, 10, tzinfo=UTC)
    assert (announced.status, announced.severity) == (Status.OPEN, None)
    assert (done.external_id, done.status) == ("maintenance/i1", Status.RESOLVED)


async def test_a_component_is_told_of_while_it_is_not_well() -> None:
    twin = Twin()
    async with polling(twin) as source:
        assert await source.fresh() == []
        twin.emit({"component": "API", "status": "partial_outage", "at": NINE})
        [partial] = await source.fresh()
        twin.emit({"component": "API", "status": "major_outage", "at": TEN})
        [major] = await source.fresh()
        twin.emit({"component": "API", "status": "operational"})
        [well] = await source.fresh()
        twin.emit({"component": "Checkout", "status": "under_maintenance"})
        assert await source.fresh() == []  # the maintenance itself tells that
        twin.emit({"component": "API", "status": "major_outage", "at": TEN})
        [again] = await source.fresh()
    assert {one.external_id for one in (partial, major, well, again)} == {"component/c1"}
    assert (partial.title, partial.severity) == ("API: partial outage", Severity.HIGH)
    assert (major.kind, major.severity) == ("ops.alert.firing", Severity.CRITICAL)
    assert (well.kind, well.status) == ("ops.alert.resolved", Status.RESOLVED)
    assert again.revision != major.revision
    async with polling(twin, components=False) as source:
        assert await source.fresh() == []


async def test_what_is_removed_is_withdrawn_and_what_only_grew_old_is_not() -> None:
    twin = Twin()
    begin = datetime.fromisoformat(NINE)
    for number in range(1, 51):
        twin.emit({"number": number, "at": (begin + timedelta(minutes=number)).isoformat()})
    async with polling(twin) as source:
        assert len(await source.fresh()) == 50
        twin.emit({"number": 51, "at": TEN})  # the fifty newest are shown: the first is not
        [newest] = await source.fresh()
        assert newest.external_id == "incident/i51"
        twin.emit({"number": 30, "delete": True})
        gone = [draft for draft in await source.fresh() if draft.status is Status.DELETED]
    assert [draft.external_id for draft in gone] == ["incident/i30"]
    assert "Errors" not in gone[0].model_dump_json()


async def test_where_nothing_has_changed_nothing_is_sent_again() -> None:
    twin = Twin()
    twin.emit({"number": 1})
    async with polling(twin) as source:
        await source.poll()
        await source.poll()
    assert twin.sent == [200] * 3 + [304] * 3


async def test_a_webhook_and_the_page_meet_as_one_revision() -> None:
    twin = Twin()
    incident = twin.emit({"number": 1, "status": "identified", "at": NINE})
    told = {name: value for name, value in incident.items() if name != "components"}
    async with polling(twin) as source:
        await source.poll()
        push = pushed(twin, {"incident": told})
        # A component's update says less than the page: that is asked once its cache is renewed.
        assert source.connector.verify(push) == Accepted(poll=timedelta(minutes=1))
        [draft] = source.connector.read(push)
    assert (draft.external_id, draft.revision) in source.stored


def test_only_who_knows_the_address_may_push() -> None:
    twin = Twin()
    about: dict[str, Any] = {"component_update": {}, "component": {}}
    connector = Statuspage(url="https://status.acme.example", signing_secret=twin.signing_secret)
    connector.verify(pushed(twin, about))
    assert connector.read(pushed(twin, about)) == []
    for query in ("", "token=", "token=guessed", "secret=a-word-of-our-own"):
        with pytest.raises(PushRefused):
            connector.verify(pushed(twin, about, query))
    with pytest.raises(TakesNoPushes):
        Statuspage(url="https://status.acme.example").verify(pushed(twin, about))


async def test_nulls_and_fields_that_nobody_knows_are_no_trouble() -> None:
    twin = Twin()
    incident = twin.emit({"number": 1, "at": NINE})
    nothing = ("impact", "shortlink", "updated_at", "incident_updates", "components", "started_at")
    incident |= dict.fromkeys(nothing) | {"x_new": [None]}
    async with polling(twin) as source:
        [draft] = await source.fresh()
    assert (draft.severity, draft.url, draft.body, draft.summary) == (None, None, None, "")
    assert draft.revised_at == datetime(2026, 5, 4, 9, tzinfo=UTC)


async def test_a_bad_record_is_set_aside_and_is_not_said_to_be_gone_later() -> None:
    twin = Twin()
    for number in range(1, 5):
        twin.emit({"number": number, "at": NINE})
    twin.incidents["2"]["name"] = None
    twin.incidents["3"]["id"] = None
    async with polling(twin) as source:
        await source.poll()
        assert source.current.keys() == {"incident/i1", "incident/i4"}
        assert len(source.bad) == 2
        for number in (2, 3):
            twin.emit({"number": number, "delete": True})
        assert await source.fresh() == []


async def test_what_is_no_status_page_is_said_to_be_none() -> None:
    twin = Twin()
    async with serve(twin.app) as url, polling(twin, url=f"{url}/elsewhere") as source:
        with pytest.raises(SourceMisbehaved):
            await source.poll()


async def test_the_twin_refuses_what_the_page_does_not_describe() -> None:
    async with serve(Twin().app) as url, httpx2.AsyncClient() as client:
        good = await client.get(f"{url}/api/v2/summary.json")
        wrong = await client.get(f"{url}/api/v2/incidents.json?page=2")
    assert good.json()["page"]["name"] == "Acme"
    assert wrong.status_code == 400
