"""Sentry: errors that appear, come back and are settled, whoever tells of it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest

from connectors.sentry import Sentry
from connectors.twins.sentry import Twin
from hub.connector import (
    Accepted,
    AuthFailed,
    Department,
    Draft,
    Page,
    PersonRef,
    Pushed,
    Severity,
    Status,
    now,
)
from hub.errors import PushRefused
from hub.ingest import Plan, Reading, ingest
from hub.route import Router
from hub.store import open_store
from hub.store.signals import by_external_ids
from tests.connectors.polling import Poller, polling
from tests.running import migrated
from tests.servers import serve

ALWAYS = "0s"  # looks again at every poll
JANE = {"type": "user", "id": "1", "name": "Jane Doe", "email": "jane@acme.example"}


def ago(seconds: float = 0, **more: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds, **more)).isoformat()


def pushed(twin: Twin, resource: str, action: str, **data: Any) -> Pushed:
    call = twin.call(resource, action, data)
    return Pushed(call.method, "https://hub.example/push/sentry", call.headers, call.body, now())


def read(source: Poller, push: Pushed) -> list[Draft]:
    assert isinstance(source.connector.verify(push), Accepted)
    return [*source.connector.read(push)]


async def test_an_error_is_news_when_it_appears_and_when_it_comes_back() -> None:
    twin = Twin()
    async with polling(twin, look_again=ALWAYS) as source:
        twin.emit({"number": 3, "title": "TypeError: price", "culprit": "cart", "at": ago(60)})
        [appeared] = await source.fresh()
        twin.emit({"number": 3, "at": ago(50)})
        twin.emit({"number": 3, "at": ago(40)})
        assert await source.fresh() == []  # that it happens again is no news
        twin.emit({"number": 3, "quiet": True, "status": "resolved"})
        [resolved] = await source.fresh()
        assert [
            draft for draft in await source.fresh() if draft.revision != resolved.revision
        ] == []
        twin.emit({"number": 3, "at": ago(5)})
        [back] = await source.fresh()
        twin.emit({"number": 3, "quiet": True, "substatus": "ongoing"})
        assert await source.fresh() == []
    assert (appeared.kind, appeared.status) == ("ops.error.new", Status.OPEN)
    assert (appeared.title, appeared.summary) == ("TypeError: price", "cart")
    assert (appeared.severity, appeared.labels) == (Severity.HIGH, ("shop",))
    assert appeared.attributes["count"] == 1  # which Sentry tells as a string
    assert appeared.url == "https://acme.sentry.example/issues/117083/"
    assert (resolved.status, resolved.severity) == (Status.RESOLVED, None)
    assert (back.kind, back.status) == ("ops.error.regressed", Status.OPEN)
    assert back.attributes["count"] == 4
    assert {draft.external_id for draft in source.stored.values()} == {"issue/117083"}


@pytest.mark.parametrize(
    ("changes", "kind", "status", "severity"),
    [
        ({}, "ops.error.new", Status.OPEN, Severity.HIGH),
        ({"substatus": "ongoing"}, "ops.error.new", Status.OPEN, Severity.HIGH),
        ({"substatus": "escalating"}, "ops.error.regressed", Status.OPEN, Severity.HIGH),
        ({"level": "fatal"}, "ops.error.new", Status.OPEN, Severity.CRITICAL),
        ({"priority": "low"}, "ops.error.new", Status.OPEN, Severity.LOW),
        ({"priority": None}, "ops.error.new", Status.OPEN, Severity.MEDIUM),
        (
            {"status": "ignored", "substatus": "archived_forever"},
            "ops.error.new",
            Status.ACKNOWLEDGED,
            None,
        ),
    ],
)
async def test_the_state_tells_the_kind(
    changes: dict[str, Any], kind: str, status: Status, severity: Severity | None
) -> None:
    twin = Twin()
    twin.emit({"number": 1, "at": ago(60), **changes})
    async with polling(twin) as source:
        await source.poll()
    draft = source.current["issue/117081"]
    assert (draft.kind, draft.status, draft.severity) == (kind, status, severity)


async def test_what_is_done_about_an_error_is_seen_though_no_event_comes() -> None:
    twin = Twin()
    for number in range(1, 6):
        twin.emit({"number": number, "at": ago(days=number)})
    async with polling(twin, look_again=ALWAYS) as source:
        await source.poll()
        twin.emit({"number": 5, "quiet": True, "assignedTo": JANE})
        [assigned] = await source.fresh()
        twin.emit(
            {"number": 4, "quiet": True, "status": "ignored", "substatus": "archived_forever"}
        )
        [archived] = await source.fresh()
        twin.emit({"number": 2, "delete": True})
        [deleted] = await source.fresh()
        assert await source.fresh() == []
    assert assigned.owner == PersonRef(name="Jane Doe", email="jane@acme.example")
    assert (archived.external_id, archived.status) == ("issue/117084", Status.ACKNOWLEDGED)
    assert (deleted.external_id, deleted.status) == ("issue/117082", Status.DELETED)


async def test_it_looks_again_only_from_time_to_time() -> None:
    twin = Twin()
    twin.emit({"number": 1, "at": ago(60)})
    async with polling(twin) as source:
        await source.poll()
        twin.asked.clear()
        await source.poll()
        assert not [asked for asked in twin.asked if "statsPeriod" in asked]
        assert [asked for asked in twin.asked if "query=&" in asked]  # else only unresolved ones


async def test_an_issue_long_without_an_event_is_let_go_and_not_said_to_be_gone() -> None:
    twin = Twin()
    twin.emit({"number": 1, "at": ago(days=13, seconds=-60)})
    async with polling(twin, look_again=ALWAYS, watch="14d") as source:
        assert len(await source.fresh()) >= 1
        twin.issues["1"]["lastSeen"] = ago(days=15).replace("+00:00", "Z")
        assert await source.fresh() == []
        assert "117081" not in str(source.cursor)


async def test_many_that_are_settled_at_once_are_asked_for_a_few_at_a_time() -> None:
    twin = Twin()
    for number in range(1, 46):
        twin.emit({"number": number, "at": ago(3600 + number)})
    twin.emit({"number": 99, "at": ago(0)})
    async with polling(twin, look_again=ALWAYS) as source:
        await source.poll()
        for number in range(1, 46):
            twin.emit({"number": number, "quiet": True, "status": "resolved"})
        [first] = await source.poll(stop_after=1)
        assert [draft.status for draft in first.drafts].count(Status.RESOLVED) == 20
        for _ in range(2):
            await source.poll()
    states = [draft.status for draft in source.current.values()]
    assert states.count(Status.RESOLVED) == 45


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_pages_of_any_size_bring_the_same_and_every_cursor_resumes(size: int) -> None:
    twin = Twin(page=size)
    for number in range(1, 6):
        twin.emit({"number": number, "at": ago(60)})
        twin.emit({"release": f"shop@1.{number}", "at": ago(60)})
    async with polling(twin) as source:
        await source.poll()
        assert len(source.stored) == 10
    async with polling(twin) as source:
        polls = 0
        while len(source.current) < 10:
            await source.poll(stop_after=1)
            polls += 1
            assert polls < 40


async def test_an_event_while_pages_are_turned_moves_an_issue_up_and_loses_none() -> None:
    twin = Twin(page=2)
    for number in range(1, 7):
        twin.emit({"number": number, "at": ago(100 - number)})
    async with polling(twin, releases=False, look_again="1d") as source:
        await source.poll(stop_after=1)
        twin.emit({"number": 1, "at": ago(0)})
        await source.poll()
        await source.poll()
    assert len(source.current) == 6


async def test_a_release_is_told_when_it_is_made_and_when_it_is_out() -> None:
    twin = Twin()
    async with polling(twin) as source:
        twin.emit({"release": "shop@2.0", "at": ago(60)})
        [made] = await source.fresh()
        assert [one for one in await source.fresh() if one.revision != made.revision] == []
        twin.emit({"release": "shop@2.0", "dateReleased": ago(5)})
        [out] = await source.fresh()
    assert (made.kind, made.title) == ("product.release", "2.0")
    assert out.external_id == made.external_id == "release/shop@2.0"
    assert out.occurred_at > made.occurred_at


@pytest.mark.parametrize("action", ["created", "resolved", "assigned", "archived", "unresolved"])
async def test_a_webhook_and_the_list_meet_as_one_revision(action: str) -> None:
    every: dict[str, dict[str, Any]] = {
        "resolved": {"status": "resolved"},
        "assigned": {"assignedTo": JANE},
        "archived": {"status": "ignored", "substatus": "archived_until_escalating"},
        "unresolved": {"substatus": "regressed"},
    }
    twin = Twin()
    twin.emit({"number": 1, "at": ago(600)})
    issue = twin.emit({"number": 1, "quiet": True, **every.get(action, {})})
    async with polling(twin) as source:
        await source.poll()
        # A webhook names the page in another field.
        about = {**issue, "permalink": None, "web_url": issue["permalink"]}
        [told] = read(source, pushed(twin, "issue", action, issue=about))
    polled = source.current[told.external_id]
    assert polled.revision.rpartition("/")[2] == told.revision.rpartition("/")[2]
    skipped = {"revision", "revised_at", "occurred_at"}
    assert polled.model_dump(exclude=skipped) == told.model_dump(exclude=skipped)


@pytest.mark.parametrize(
    "state",
    [
        {"status": "unresolved", "substatus": "regressed"},
        {"status": "unresolved", "substatus": "escalating"},
        {"status": "ignored", "substatus": "archived_forever"},
    ],
)
async def test_events_between_a_webhook_and_the_list_make_no_other_revision(
    tmp_path: Path, state: dict[str, Any]
) -> None:
    twin, plan = Twin(), Plan(Router({}), {})
    twin.emit({"number": 1, "at": ago(600)})
    url = await migrated(f"sqlite:///{tmp_path}/hub.db")
    async with open_store(url) as store, polling(twin) as source:

        async def stored(drafts: Sequence[Draft]) -> list[Status]:
            done = await ingest(store, Reading("sentry"), Page(drafts, {}), plan)
            return [signal.status for signal in done.signals]

        async def shown() -> list[Draft]:
            return [draft for page in await source.poll() for draft in page.drafts]

        assert await stored(await shown()) == [Status.OPEN]
        changed = twin.emit({"number": 1, "at": ago(50), **state})
        told = read(source, pushed(twin, "issue", "unresolved", issue=changed))
        assert len(await stored(told)) == 1
        twin.emit({"number": 1, "at": ago(40), **state})
        later = await shown()
        assert [one.revision for one in later] != [one.revision for one in told]
        assert await stored(later) == []
        settled = twin.emit({"number": 1, "quiet": True, "status": "resolved"})
        told = read(source, pushed(twin, "issue", "resolved", issue=settled))
        assert await stored(told) == [Status.RESOLVED]
        twin.emit({"number": 1, "at": ago(5)})
        assert await stored(await shown()) == [Status.OPEN], "it has come back once more"


DONE: Mapping[str, dict[str, Any]] = {
    "resolved": {"status": "resolved", "quiet": True},
    "unresolved": {"status": "unresolved", "substatus": "ongoing", "quiet": True},
    "archived": {"status": "ignored", "substatus": "archived_forever", "quiet": True},
    "assigned": {"assignedTo": JANE, "quiet": True},
    "left to nobody": {"assignedTo": None, "quiet": True},
    "it happens again": {},
}


async def test_whatever_comes_by_list_or_webhook_or_not_at_all_the_end_is_as_at_sentry(
    tmp_path: Path,
) -> None:
    chance, twin, plan, states = Random(1), Twin(), Plan(Router({}), {}), dict[str, list[str]]()
    open_source = polling(twin, releases=False, look_again=ALWAYS)
    url = await migrated(f"sqlite:///{tmp_path}/hub.db")
    async with open_store(url) as store, open_source as source:

        async def keep(drafts: Sequence[Draft]) -> None:
            done = await ingest(store, Reading("sentry"), Page(drafts, {}), plan)
            for signal in done.signals:
                states.setdefault(signal.external_id, []).append(signal.revision)

        async def look() -> None:
            await keep([draft for page in await source.poll() for draft in page.drafts])

        for _ in range(30):
            for number in chance.sample(range(1, 7), 3):
                what = chance.choice([*DONE])
                issue = twin.emit({"number": number, "at": ago(0), **DONE[what]})
                if chance.random() < 0.5:
                    await keep(read(source, pushed(twin, "issue", what, issue=issue)))
            if chance.random() < 0.6:
                await look()
        await look()
        async with store.read() as connection:
            kept = await by_external_ids(connection, "sentry", states)
    wanted = {f"issue/{one['id']}": one for one in twin.issues.values()}
    assert kept.keys() == wanted.keys()
    status = {"resolved": Status.RESOLVED, "ignored": Status.ACKNOWLEDGED}
    for name, issue in wanted.items():
        assert kept[name].status is status.get(issue["status"], Status.OPEN)
        assert (kept[name].owner is not None) == bool(issue["assignedTo"])
        said = [revision.rpartition("/")[2] for revision in states[name]]
        assert all(one != other for one, other in pairwise(said)), "the same is told twice"
        assert len(said) > 3


async def test_webhooks_bring_alerts_and_comments_too() -> None:
    twin = Twin()
    event = {
        "event_id": "e4874d66",
        "issue_id": "117081",
        "datetime": "2026-08-19T21:06:17.677000Z",
        "title": "ReferenceError: heck",
        "level": "error",
        "web_url": "https://acme.sentry.example/issues/117081/events/e4874d66/",
    }
    metric = {"id": "4", "title": "Sacred Marmot", "date_started": "2026-09-13T12:26:40Z"}
    comment = {"comment": "On it", "comment_id": 12, "issue_id": 117081}
    comment |= {"timestamp": "2026-03-02T21:51:44.118160Z"}
    named = {"metric_alert": metric, "description_title": "Critical: Too many errors"}
    async with polling(twin) as source:
        [alert] = read(
            source, pushed(twin, "event_alert", "triggered", event=event, triggered_rule="Page us")
        )
        [critical] = read(source, pushed(twin, "metric_alert", "critical", **named))
        [over] = read(source, pushed(twin, "metric_alert", "resolved", **named))
        [said] = read(source, pushed(twin, "comment", "created", **comment))
        [unsaid] = read(source, pushed(twin, "comment", "deleted", **comment))
        assert read(source, pushed(twin, "installation", "created")) == []
    assert (alert.kind, alert.title) == ("ops.alert.firing", "Page us: ReferenceError: heck")
    assert alert.thread == said.thread == "issue/117081"
    assert (critical.severity, critical.status) == (Severity.CRITICAL, Status.OPEN)
    assert (over.kind, over.status) == ("ops.alert.resolved", Status.RESOLVED)
    assert (said.body, said.department) == ("On it", Department.ENGINEERING)
    assert (unsaid.external_id, unsaid.status) == (said.external_id, Status.DELETED)
    assert "On it" not in unsaid.model_dump_json()


def test_the_signature_covers_an_empty_body_too_and_another_is_refused() -> None:
    twin = Twin()
    connector = Sentry(token="t", organization="acme", signing_secret=twin.signing_secret)
    push = pushed(twin, "issue", "created", issue=twin.emit({"number": 1}))
    verdict = connector.verify(push)
    assert verdict == Accepted(push.headers["request-id"])
    # Some of its requests have no body at all: this is the HMAC of nothing.
    signed = "03c06fe29355cf680d85917260823a5a0d0b3e7d064f7e85543ee1469f849b6d"
    empty = Pushed("POST", push.url, {"sentry-hook-signature": signed}, b"", now())
    assert connector.verify(empty) == Accepted(None)
    other = Sentry(token="t", organization="acme", signing_secret="another")
    with pytest.raises(PushRefused):
        other.verify(push)


def test_of_other_projects_nothing_is_read() -> None:
    twin = Twin()
    issue = twin.emit({"number": 1})
    connector = Sentry(token="t", organization="acme", projects=["web"], signing_secret="s")
    assert connector.read(pushed(twin, "issue", "created", issue=issue)) == []


async def test_nulls_and_fields_that_nobody_knows_are_no_trouble() -> None:
    twin = Twin()
    issue = twin.emit({"number": 1, "at": ago(60)})
    nothing = ("culprit", "permalink", "level", "priority", "substatus", "assignedTo", "count",
               "userCount", "shortId", "platform", "metadata")  # fmt: skip
    issue |= dict.fromkeys(nothing) | {"x_new": [None]}
    async with polling(twin) as source:
        await source.poll()
        assert not source.bad
    draft = source.current["issue/117081"]
    assert (draft.kind, draft.severity, draft.summary) == ("ops.error.new", None, "")


async def test_a_bad_record_is_set_aside_and_its_page_goes_on() -> None:
    twin = Twin()
    for number in range(1, 5):
        twin.emit({"number": number, "at": ago(60 + number)})
    twin.issues["2"]["title"] = None
    twin.issues["3"]["id"] = None
    async with polling(twin, look_again="1d") as source:
        await source.poll()
    assert source.current.keys() == {"issue/117081", "issue/117084"}
    assert {bad.external_id for bad in source.bad} == {"117082", None}


async def test_a_wrong_token_stops_the_source_and_is_not_repeated() -> None:
    async with polling(Twin(), token="stolen") as source:
        with pytest.raises(AuthFailed, match="Invalid token") as refused:
            await source.poll()
        assert "stolen" not in str(refused.value) + repr(source.connector)


@pytest.mark.parametrize(
    "query", ["issues/?limit=101", "issues/?cursor=x", "issues/?since=now", "releases/?sort=date"]
)
async def test_the_twin_refuses_what_the_vendor_does_not_describe(query: str) -> None:
    twin = Twin()
    async with serve(twin.app) as url, httpx2.AsyncClient() as client:
        path = f"{url}/api/0/organizations/acme/{query}"
        headers = {"Authorization": f"Bearer {twin.token}"}
        assert (await client.get(path, headers=headers)).status_code == 400
        assert (await client.get(path)).status_code == 401
