"""Alertmanager: a snapshot becomes firings and resolutions."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.alertmanager import Alertmanager
from connectors.twins.alertmanager import Twin, fingerprint
from hub.connector import AuthFailed, Severity, SourceMisbehaved, Status
from hub.http import Clients
from tests.connectors.polling import Poller, poller, polling
from tests.servers import serve

ORDERS = {"alertname": "OrdersStuck", "severity": "critical", "team": "shop", "instance": "a:1"}
DISK = {"alertname": "DiskFull", "severity": "warning", "team": "platform", "instance": "db:2"}


async def test_a_firing_alert_becomes_an_open_signal_with_all_it_says() -> None:
    twin = Twin()
    notes = {"summary": "Orders are stuck", "description": "None left for 10 minutes"}
    twin.emit({"labels": ORDERS, "annotations": notes, "at": "2026-05-04T08:00:00+02:00"})
    async with polling(twin) as source:
        [draft] = await source.fresh()
    assert draft.kind == "ops.alert.firing"
    assert draft.status is Status.OPEN
    assert draft.severity is Severity.CRITICAL
    assert draft.external_id == fingerprint(ORDERS)
    assert draft.title == "Orders are stuck"
    assert draft.summary == "None left for 10 minutes"
    assert draft.occurred_at == datetime(2026, 5, 4, 6, tzinfo=UTC)
    assert draft.url == "https://prometheus.example/graph?g0.expr=HighLatency"
    assert draft.labels == ("OrdersStuck", "shop")
    assert draft.attributes["labels"] == ORDERS
    assert draft.attributes["annotations"] == notes
    assert draft.attributes["generator_url"] == draft.url


async def test_an_alert_without_annotations_is_titled_by_its_labels() -> None:
    twin = Twin()
    twin.emit({"labels": DISK, "annotations": {}, "generatorURL": ""})
    async with polling(twin) as source:
        [draft] = await source.fresh()
    assert draft.title == "DiskFull: db:2"
    assert draft.url is None


async def test_nothing_new_moves_nothing() -> None:
    twin = Twin()
    async with polling(twin) as source:
        assert await source.fresh() == []
        empty = source.cursor
        twin.emit({})
        assert len(await source.fresh()) == 1
        after = source.cursor
        assert await source.fresh() == []
    assert empty == {"known": {}, "rounds": 0}
    assert source.cursor == after


async def test_an_alert_that_its_sender_repeats_is_no_news() -> None:
    twin = Twin()
    notes = "{} % of the disk are used, for {} hours"
    twin.emit({"labels": DISK, "annotations": {"summary": notes.format("91.5", 2)}})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"labels": DISK, "annotations": {"summary": notes.format("92.25", 3)}})
        assert await source.fresh() == []
        twin.emit({"labels": DISK, "annotations": {"summary": "The disk is full"}})
        [draft] = await source.fresh()
    assert draft.title == "The disk is full"
    assert draft.external_id == fingerprint(DISK)


async def test_an_alert_that_disappears_is_resolved_from_what_the_cursor_holds() -> None:
    twin = Twin()
    twin.emit({"labels": ORDERS, "annotations": {"summary": "Orders are stuck"}})
    twin.emit({"labels": DISK})
    async with polling(twin) as source:
        await source.poll()
        began = datetime.now(UTC)
        twin.emit({"labels": ORDERS, "resolve": True})
        [draft] = await source.fresh()
        assert await source.fresh() == []
    assert draft.kind == "ops.alert.resolved"
    assert draft.status is Status.RESOLVED
    assert draft.external_id == fingerprint(ORDERS)
    assert draft.title == "Orders are stuck"
    assert draft.severity is Severity.CRITICAL
    assert draft.attributes["labels"] == ORDERS
    assert draft.occurred_at >= began
    assert source.current[fingerprint(DISK)].status is Status.OPEN


async def test_the_same_alert_firing_again_is_a_new_revision_of_its_signal() -> None:
    twin = Twin()
    async with polling(twin) as source:
        for _ in range(2):
            twin.emit({"labels": ORDERS})
            [fired] = await source.fresh()
            twin.emit({"labels": ORDERS, "resolve": True})
            [resolved] = await source.fresh()
            assert fired.external_id == resolved.external_id
            assert source.current[fired.external_id] is resolved
    assert len(source.stored) == 4


async def test_an_alert_that_comes_back_with_the_same_start_opens_again() -> None:
    """As after a filter that was wrong for a while: nothing in the alert itself has changed."""
    twin = Twin()
    twin.emit({"labels": ORDERS})
    async with serve(twin.app) as url, Clients() as clients:
        right = poller(twin, url, clients)
        wrong = poller(twin, url, clients, receiver="nobody")
        await right.poll()
        wrong.cursor = right.cursor
        [resolved] = await wrong.fresh()
        assert resolved.kind == "ops.alert.resolved"
        right.drafts.append(resolved)
        right.stored[resolved.external_id, resolved.revision] = resolved
        right.current[resolved.external_id] = resolved
        right.cursor = wrong.cursor
        await right.poll()
    assert right.current[fingerprint(ORDERS)].status is Status.OPEN


async def test_a_corrected_start_stays_the_same_signal() -> None:
    twin = Twin()
    twin.emit({"labels": ORDERS, "at": "2026-05-04T08:00:00Z"})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"labels": ORDERS, "startsAt": "2026-05-04T07:30:00Z"})
        [draft] = await source.fresh()
    assert list(source.current) == [fingerprint(ORDERS)]
    assert draft.occurred_at == datetime(2026, 5, 4, 7, 30, tzinfo=UTC)


async def test_a_silenced_alert_is_acknowledged() -> None:
    twin = Twin()
    twin.emit({"labels": ORDERS})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"labels": ORDERS, "silence": True})
        [draft] = await source.fresh()
        assert draft.status is Status.ACKNOWLEDGED
        assert draft.kind == "ops.alert.firing"
        twin.silences.clear()
        [draft] = await source.fresh()
    assert draft.status is Status.OPEN
    assert source.current[fingerprint(ORDERS)] is draft


async def test_filters_and_receivers_choose_the_alerts() -> None:
    twin = Twin()
    twin.emit({"labels": ORDERS})
    twin.emit({"labels": DISK})
    async with serve(twin.app) as url, Clients() as clients:
        chosen = poller(
            twin, url, clients, filter=['severity=~"critical|page"', 'team!="platform"']
        )
        routed = poller(twin, url, clients, receiver="plat.*")
        nobody = poller(twin, url, clients, receiver="plat")
        broken = poller(twin, url, clients, filter=["no matcher"])
        assert [draft.external_id for draft in await chosen.fresh()] == [fingerprint(ORDERS)]
        assert [draft.external_id for draft in await routed.fresh()] == [fingerprint(DISK)]
        assert await nobody.fresh() == []
        with pytest.raises(SourceMisbehaved, match="400"):
            await broken.poll()


@pytest.mark.parametrize(
    "ways",
    [{"token": "glsa_secret"}, {"user": "hub", "password": "secret"}],
    ids=["bearer", "basic"],
)
async def test_signing_in(ways: dict[str, str]) -> None:
    twin = Twin(**ways)
    twin.emit({})
    wrong = {name: "wrong" for name in ways if name != "user"}
    async with serve(twin.app) as url, Clients() as clients:
        assert len(await poller(twin, url, clients).fresh()) == 1
        with pytest.raises(AuthFailed):
            await poller(twin, url, clients, **wrong).poll()
        with pytest.raises(AuthFailed):
            await Poller(Alertmanager(url=url), clients).poll()


def test_the_settings_name_one_way_to_sign_in() -> None:
    with pytest.raises(ValidationError, match="go together"):
        Alertmanager.model_validate({"url": "http://a.example", "user": "hub"})
    with pytest.raises(ValidationError, match="a token, or a user"):
        Alertmanager.model_validate(
            {"url": "http://a.example", "token": "t", "user": "hub", "password": "p"}
        )
    connector = Alertmanager.model_validate({"url": "http://a.example", "token": "glsa_secret"})
    assert "glsa_secret" not in repr(connector)


async def test_grafanas_own_alertmanager() -> None:
    twin = Twin(token="glsa_secret")
    twin.emit({"labels": DISK})
    async with serve(twin.app) as url, Clients() as clients:
        source = poller(twin, url, clients, url=f"{url}/api/alertmanager/grafana")
        [draft] = await source.fresh()
    assert draft.external_id == fingerprint(DISK)


async def test_posted_alerts_end_when_their_end_has_passed() -> None:
    twin = Twin()
    now = datetime.now(UTC)
    ends = (now + timedelta(seconds=1)).isoformat()
    async with serve(twin.app) as url, Clients() as clients, httpx2.AsyncClient() as sender:
        source = poller(twin, url, clients)
        posted = [{"labels": ORDERS, "endsAt": ends}, {"labels": DISK}, {"labels": {"a": ""}}]
        answer = await sender.post(f"{url}/api/v2/alerts", json=posted[:2])
        assert answer.status_code == 200
        assert (await sender.post(f"{url}/api/v2/alerts", json=posted[2:])).status_code == 400
        assert len(await source.fresh()) == 2
        await asyncio.sleep(1.1)
        [draft] = await source.fresh()
        assert (draft.kind, draft.external_id) == ("ops.alert.resolved", fingerprint(ORDERS))
        over = {"labels": DISK, "endsAt": datetime.now(UTC).isoformat()}
        await sender.post(f"{url}/api/v2/alerts", json=[over])
        [draft] = await source.fresh()
        assert (draft.kind, draft.external_id) == ("ops.alert.resolved", fingerprint(DISK))


async def _answering(*bodies: Any, known: Any = None) -> Poller:
    """Poll once for each body, from a server that answers with just that."""
    queue = list(bodies)

    async def answer(request: Request) -> Response:
        del request
        return JSONResponse(queue.pop(0))

    app = Starlette(routes=[Route("/api/v2/alerts", answer)])
    async with serve(app) as url, Clients() as clients:
        source = Poller(Alertmanager(url=url), clients)
        source.cursor = known or {}
        for _ in bodies:
            await source.poll()
    return source


async def test_bad_records_are_set_aside_once_and_unknown_fields_ignored() -> None:
    good = Twin().emit({"labels": DISK}) | {"aNewField": {"deep": [1]}, "enrichments": None}
    odd = good | {"fingerprint": "0000000000000001", "labels": None}
    bad: list[Any] = ["nonsense", None, {"labels": {}}, good | {"fingerprint": None}, odd]
    source = await _answering([good, *bad], [good, *bad], [good])
    assert [draft.external_id for draft in source.drafts] == [fingerprint(DISK)]
    assert [entry.raw for entry in source.bad] == bad
    assert source.bad[4].external_id == "0000000000000001"


async def test_what_the_description_does_not_foresee_is_read() -> None:
    alert = Twin().emit({"labels": DISK | {"severity": "Sev-9"}})
    alert |= {"annotations": None, "status": {"state": "a new state"}}
    source = await _answering([alert])
    [draft] = source.drafts
    assert draft.severity is None
    assert draft.status is Status.OPEN
    assert source.bad == []


@pytest.mark.parametrize("body", [{"message": "log in"}, None, "alerts"])
async def test_an_answer_that_is_no_list_resolves_nothing(body: Any) -> None:
    with pytest.raises(SourceMisbehaved, match="list of alerts"):
        await _answering(body)


async def test_a_source_that_is_down_keeps_its_cursor() -> None:
    twin = Twin()
    twin.emit({"labels": ORDERS})
    async with polling(twin) as source:
        await source.poll()
        cursor = source.cursor
        twin.token = "now required"
        with pytest.raises(AuthFailed):
            await source.poll()
    assert source.cursor == cursor


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["fire", "silence", "resolve", "poll"])),
    max_size=14,
)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
async def test_however_the_polls_fall_the_end_is_the_same(steps: list[tuple[int, str]]) -> None:
    """What fires stays fired, what ended is resolved, and nobody hears of what came and went."""
    twin = Twin()
    async with serve(twin.app) as url, Clients() as clients:
        often, once = poller(twin, url, clients), poller(twin, url, clients)
        for number, step in steps:
            labels = {"alertname": "Trouble", "instance": str(number)}
            if step == "poll":
                await often.poll()
            elif step != "resolve":
                twin.emit({"labels": labels, "silence": step == "silence"})
            elif fingerprint(labels) in twin.alerts:
                twin.emit({"labels": labels, "resolve": True})
        await often.poll()
        await once.poll()
    still = {key: draft for key, draft in often.current.items() if not _is_over(draft.kind)}
    assert {key: _said(draft) for key, draft in still.items()} == {
        key: _said(draft) for key, draft in once.current.items()
    }
    assert set(often.current) - set(still) <= set(twin.alerts)


def _is_over(kind: str) -> bool:
    return kind == "ops.alert.resolved"


def _said(draft: Any) -> dict[str, Any]:
    said: dict[str, Any] = draft.model_dump(exclude={"revision", "revised_at"})
    return said


@pytest.mark.parametrize("record", [{}, {"title": "Something"}, {"text": "More of it"}])
async def test_the_twin_makes_up_what_is_missing(record: dict[str, str]) -> None:
    twin = Twin()
    async with polling(twin) as source, httpx2.AsyncClient() as browser:
        url = source.connector.model_dump()["url"]
        made = (await browser.post(f"{url}/_demo/emit", json=record)).json()
        [draft] = await source.fresh()
        assert draft.external_id == made["fingerprint"]
        assert draft.title == record.get("title", draft.title)
        refused = await browser.get(f"{url}/api/v2/alerts", params={"nonsense": "1"})
        assert refused.status_code == 400


async def test_a_cursor_of_the_first_release_is_read_on() -> None:
    twin = Twin()
    twin.emit({"labels": {"alertname": "Kept"}})
    twin.emit({"labels": {"alertname": "Gone"}})
    async with polling(twin) as source:
        await source.poll()
        known: Any = source.cursor["known"]
        source.cursor = {
            "known": {
                key: {"version": one["version"], **one["kept"]} for key, one in known.items()
            },
            "count": 4,
        }
        assert await source.fresh() == []
        twin.emit({"labels": {"alertname": "Gone"}, "resolve": True})
        [gone] = await source.fresh()
    assert gone.kind == "ops.alert.resolved"
    assert gone.revision.endswith("-5")
