"""PagerDuty: what the log of incidents tells, and webhooks tell the same."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from connectors.pagerduty import PagerDuty
from connectors.twins.pagerduty import ACCEPT, Twin
from hub.connector import (
    Accepted,
    AuthFailed,
    Bearer,
    Department,
    Header,
    Http,
    PersonRef,
    Pushed,
    SecretStr,
    Severity,
    SourceMisbehaved,
    Status,
    now,
)
from hub.errors import PushRefused
from tests.connectors.polling import polling
from tests.servers import serve


def at(second: float, *, days: int = 0) -> str:
    """Count the seconds of the minute and a half before now: an event is told as it happens."""
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(days=days, seconds=90)
    return (begin + timedelta(seconds=second)).isoformat()


def a_push(twin: Twin, entry: dict[str, Any], **changed: Any) -> Pushed:
    body = json.dumps({"event": twin.event(entry) | changed}).encode()
    headers = {**twin.sign(body), "x-webhook-id": "d1"}
    return Pushed("POST", "https://hub.example/push/pagerduty", headers, body, now())


async def test_an_incident_is_one_signal_through_its_states() -> None:
    twin = Twin()
    async with polling(twin) as source:
        twin.emit({"number": 7, "title": "Checkout answers 502", "at": at(0)})
        [triggered] = await source.fresh()
        twin.emit({"number": 7, "verb": "acknowledge", "by": "Priya Natarajan", "at": at(1)})
        await source.poll()
        acknowledged = source.current["incident/PT00007"]
        ended = at(9)
        twin.emit({"number": 7, "verb": "resolve", "by": "Priya Natarajan", "at": ended})
        await source.poll()
        resolved = source.current["incident/PT00007"]
        before = source.cursor
        await source.poll()
        assert source.cursor == before
    states = (triggered, acknowledged, resolved)
    assert len(source.stored) == 3
    assert [one.kind.rpartition(".")[2] for one in states] == [
        "triggered", "acknowledged", "resolved"]  # fmt: skip
    assert [one.status for one in states] == [Status.OPEN, Status.ACKNOWLEDGED, Status.RESOLVED]
    assert [one.severity for one in states] == [Severity.HIGH, Severity.HIGH, None]
    assert triggered.title == "Checkout answers 502"
    assert triggered.owner == PersonRef(name="Priya Natarajan", handle="PU01461")
    assert triggered.author is None  # a service raised it
    assert (acknowledged.author, acknowledged.summary) == (
        triggered.owner,
        "Acknowledged by Priya Natarajan",
    )
    assert triggered.labels == ("Checkout", "Engineering")
    assert triggered.attributes["number"] == 7
    assert triggered.url == "https://acme.pagerduty.example/incidents/PT00007"
    assert resolved.occurred_at == datetime.fromisoformat(ended)


async def test_an_incident_of_long_ago_that_ends_today_is_told_of() -> None:
    """`/incidents` would not: its since and until are those of the creation."""
    twin = Twin()
    twin.emit({"number": 1, "at": at(0, days=200)})
    async with polling(twin) as source:
        assert await source.fresh() == []
        twin.emit({"number": 1, "verb": "resolve", "at": at(0)})
        [resolved] = await source.fresh()
    assert resolved.kind == "ops.incident.resolved"


async def test_who_has_it_now_is_a_revision_and_what_is_long_over_is_not_made_up() -> None:
    twin = Twin()
    async with polling(twin) as source:
        twin.emit({"number": 1, "at": at(0)})
        twin.emit({"number": 1, "verb": "escalate", "assignee": "Hana Kovac", "at": at(1)})
        await source.poll()
        escalated = source.current["incident/PT00001"]
        twin.emit({"number": 1, "verb": "assign", "assignee": "Tomás Rivera", "at": at(2)})
        twin.emit({"number": 1, "verb": "acknowledge", "at": at(3)})
        await source.poll()
    assert (escalated.kind, escalated.owner and escalated.owner.name) == (
        "ops.incident.triggered",
        "Hana Kovac",
    )
    now_ = source.current["incident/PT00001"]
    assert (now_.kind, now_.owner and now_.owner.name) == (
        "ops.incident.acknowledged",
        "Tomás Rivera",
    )
    # Whether it was triggered or acknowledged when it was assigned, nobody can tell any longer.
    assert not [revision for _, revision in source.stored if "reassigned" in revision]


async def test_a_note_is_a_comment_in_the_thread_of_its_incident() -> None:
    twin = Twin()
    twin.emit({"number": 1, "title": "Replication lag", "at": at(0)})
    twin.emit({"number": 1, "note": "Failing over now", "by": "Hana Kovac", "at": at(1)})
    async with polling(twin) as source:
        note, _ = sorted(await source.fresh(), key=lambda draft: draft.kind)
    assert (note.kind, note.title) == ("content.comment", "Note on Replication lag")
    assert (note.body, note.thread) == ("Failing over now", "incident/PT00001")
    assert note.department is Department.ENGINEERING
    assert note.author == PersonRef(name="Hana Kovac", handle="PU00908")


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"urgency": "low"}, Severity.LOW),
        ({"priority": {"summary": "P1"}}, Severity.CRITICAL),
        ({"priority": {"summary": "SEV-2"}, "urgency": "low"}, Severity.HIGH),
        ({"priority": {"summary": "P5"}}, Severity.LOW),
        ({"priority": {"summary": "Whenever"}}, Severity.HIGH),
        ({"priority": None, "urgency": None}, None),
    ],
)
async def test_a_priority_weighs_more_than_the_urgency(
    changes: dict[str, Any], severity: Severity | None
) -> None:
    twin = Twin()
    twin.emit({"number": 1, "at": at(0)} | changes)
    async with polling(twin) as source:
        [draft] = await source.fresh()
    assert draft.severity is severity


@pytest.mark.parametrize("verb", ["acknowledge", "assign", "escalate", "delegate", "resolve"])
async def test_a_webhook_and_the_log_meet_as_one_revision(verb: str) -> None:
    twin = Twin()
    twin.emit({"number": 1, "at": at(0)})
    twin.emit({"number": 1, "verb": verb, "by": "Hana Kovac", "at": at(1)})
    async with polling(twin) as source:
        await source.poll()
        for entry in twin.entries:
            push = a_push(twin, entry)
            assert source.connector.verify(push) == Accepted("d1")
            [pushed] = source.connector.read(push)
            polled = source.stored[pushed.external_id, pushed.revision]
            assert polled.revised_at == pushed.revised_at
            assert polled.kind == pushed.kind
            assert (polled.title, polled.owner, polled.author) == (
                pushed.title,
                pushed.owner,
                pushed.author,
            )


async def test_a_pushed_note_meets_that_of_the_log() -> None:
    twin = Twin()
    twin.emit({"number": 1, "title": "Lag", "note": "On it", "by": "Hana Kovac", "at": at(1)})
    async with polling(twin) as source:
        await source.poll()
        [pushed] = source.connector.read(a_push(twin, twin.entries[-1]))
    assert source.stored[pushed.external_id, pushed.revision].model_dump(
        exclude={"url"}
    ) == pushed.model_dump(exclude={"url"})


@pytest.mark.parametrize(
    "changed",
    [
        {"event_type": "incident.custom_field_values.updated"},
        {"event_type": "service.updated", "resource_type": "service"},
        {"event_type": "pagey.ping", "resource_type": "pagey", "data": {"type": "ping"}},
    ],
)
def test_what_is_no_news_of_an_incident_is_read_as_nothing(changed: dict[str, Any]) -> None:
    twin = Twin()
    twin.emit({"number": 1})
    connector = PagerDuty(token="t", signing_secret=twin.signing_secret)
    assert connector.read(a_push(twin, twin.entries[0], **changed)) == []


def test_a_signature_by_another_key_or_of_another_body_is_refused() -> None:
    twin = Twin()
    twin.emit({"number": 1})
    push = a_push(twin, twin.entries[0])
    connector = PagerDuty(token="t", signing_secret=twin.signing_secret)
    connector.verify(push)
    changed = Pushed(push.method, push.url, push.headers, push.body + b" ", now())
    with pytest.raises(PushRefused):
        connector.verify(changed)
    with pytest.raises(PushRefused):
        PagerDuty(token="t", signing_secret="another").verify(push)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_pages_of_any_size_bring_the_same_in_the_order_it_happened(size: int) -> None:
    twin, once = Twin(page=size), at(0)
    for number in range(1, 4):
        twin.emit({"number": number, "at": once})
        for verb in ("acknowledge", "resolve"):  # one second for all of it
            twin.emit({"number": number, "verb": verb, "at": once})
    async with polling(twin) as source:
        await source.poll()
    assert len(source.stored) == 9
    assert {draft.status for draft in source.current.values()} == {Status.RESOLVED}


async def test_a_first_sync_that_is_broken_off_goes_on_where_it_was() -> None:
    twin = Twin(page=2)
    for day in range(20):
        twin.emit({"number": day + 1, "at": at(0, days=day)})
    async with polling(twin) as source:
        polls = 0
        while len(source.current) < 20:
            await source.poll(stop_after=1)
            polls += 1
            assert polls < 40
        assert len(source.drafts) == 20


async def test_where_more_happened_than_can_be_paged_through_half_the_time_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connectors.twins.pagerduty.FURTHEST", 200)
    monkeypatch.setattr("connectors.pagerduty._FURTHEST", 200)
    twin = Twin()
    for number in range(1, 402):
        twin.emit({"number": number, "at": at(number / 10 - 3600)})
    async with polling(twin) as source:
        await source.poll()
    assert len(source.current) == 401


async def test_an_empty_page_is_no_end_though_not_for_ever() -> None:
    twin = Twin(page=1)
    for number in (1, 2):
        twin.emit({"number": number, "at": at(number)})
    async with polling(twin) as source:
        twin.blank()
        await source.poll()
        assert len(source.current) == 2

    class Endless(Twin):
        _blank = property(lambda _: True, lambda *_: None)

    async with polling(Endless()) as source:
        with pytest.raises(SourceMisbehaved, match="sends nothing"):
            await source.poll()


async def test_nulls_and_fields_that_nobody_knows_are_no_trouble() -> None:
    twin = Twin()
    incident = twin.emit({"number": 1, "at": at(0)})
    nothing = ("title", "service", "teams", "assignments", "priority", "urgency", "html_url",
               "escalation_policy", "last_status_change_at")  # fmt: skip
    incident |= dict.fromkeys(nothing) | {"x_new": [None]}
    twin.entries[0] |= {"agent": None, "channel": None, "x_new": {"a": None}}
    async with polling(twin) as source:
        [draft] = await source.fresh()
    assert (draft.title, draft.url) == ("Replication lag over five minutes", None)
    assert draft.attributes == {"number": 1, "event": "triggered"}


async def test_a_bad_record_is_set_aside_and_its_page_goes_on() -> None:
    twin = Twin()
    for number in range(1, 5):
        twin.emit({"number": number, "at": at(number)})
    del twin.incidents["PT00002"]["id"]
    twin.incidents["PT00003"]["title"] = {"en": "Fire"}
    async with polling(twin) as source:
        await source.poll()
    assert source.current.keys() == {"incident/PT00001", "incident/PT00004"}
    assert {bad.external_id for bad in source.bad} == {"R000002", "R000003"}
    assert all(bad.reason for bad in source.bad)


async def test_a_wrong_token_stops_the_source_and_is_not_repeated() -> None:
    async with polling(Twin(), token="stolen") as source:
        with pytest.raises(AuthFailed) as refused:
            await source.poll()
        assert "stolen" not in str(refused.value) + repr(source.connector)


def test_an_api_key_and_an_oauth_token_sign_in_each_in_its_way() -> None:
    def auth(token: str) -> Any:
        endpoint = PagerDuty(token=token).endpoint()
        assert isinstance(endpoint, Http)
        return endpoint.auth

    assert auth("u+key") == Header("Authorization", SecretStr("Token token=u+key"))
    assert auth("pdus+_0XBPWQQ") == Bearer(SecretStr("pdus+_0XBPWQQ"))


@pytest.mark.parametrize(
    "query", ["limit=101", "since=yesterday", "include[]=people", "sort_by=created_at"]
)
async def test_the_twin_refuses_what_the_vendor_does_not_describe(query: str) -> None:
    twin = Twin()
    headers = {
        "Authorization": f"Token token={twin.token}",
        "Accept": ACCEPT,
        "Content-Type": "application/json",
    }
    async with serve(twin.app) as url, httpx2.AsyncClient() as client:
        answer = await client.get(f"{url}/log_entries?{query}", headers=headers)
        good = await client.get(f"{url}/log_entries", headers=headers)
        del headers["Content-Type"]
        bare = await client.get(f"{url}/log_entries", headers=headers)
    assert (answer.status_code, good.status_code, bare.status_code) == (400, 200, 400)
