"""Intercom: conversations, tickets and ratings, found by search or told by webhook."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from connectors.intercom import Intercom
from connectors.twins.intercom import Twin
from hub.connector import (
    Accepted,
    AccountRef,
    AuthFailed,
    Draft,
    PersonRef,
    Pushed,
    Reply,
    Severity,
    Status,
    now,
)
from hub.errors import PushRefused
from hub.http import Clients
from hub.testing.recorded import Recording
from tests.connectors.polling import Poller, poller, polling
from tests.servers import serve

NINE = "2026-05-04T09:00:00+00:00"
TEN = "2026-05-04T10:00:00+00:00"
ROBIN = PersonRef(name="Robin Weber", email="robin@globex.example")


def pushed(twin: Twin, topic: str, item: dict[str, Any]) -> Pushed:
    call = twin.call(topic, item)
    return Pushed(call.method, "https://hub.example/push/intercom", call.headers, call.body, now())


def read(source: Poller, push: Pushed) -> list[Draft]:
    assert isinstance(source.connector.verify(push), Accepted)
    return [*source.connector.read(push)]


async def test_a_conversation_is_one_signal_until_it_is_closed() -> None:
    twin = Twin()
    async with polling(twin) as source:
        twin.emit({"number": 3, "at": NINE})
        [opened] = await source.fresh()
        twin.emit({"number": 3, "reply": True, "admin_assignee_id": 991, "at": TEN})
        [answered] = await source.fresh()
        twin.emit({"number": 3, "state": "snoozed", "priority": "priority", "at": TEN})
        [snoozed] = await source.fresh()
        twin.emit({"number": 3, "state": "closed", "at": TEN})
        [closed] = await source.fresh()
        before = source.cursor
        assert [one for one in await source.fresh() if one not in source.stored.values()] == []
        assert source.cursor == before
    states = (opened, answered, snoozed, closed)
    assert {one.external_id for one in states} == {"conversation/5153"}
    assert [one.kind.rpartition(".")[2] for one in states] == [
        "opened", "updated", "updated", "solved"]  # fmt: skip
    assert [one.status for one in states] == [
        Status.OPEN, Status.OPEN, Status.ACKNOWLEDGED, Status.RESOLVED]  # fmt: skip
    assert opened.title == "Invoice twice"
    assert opened.body == "Hello,\n\nwe were billed twice in May."
    assert opened.occurred_at == datetime(2026, 5, 4, 9, tzinfo=UTC)
    assert (opened.author, opened.owner) == (ROBIN, None)
    assert answered.owner == PersonRef(name="Ciaran Lee", email="991@acme.example")
    assert (snoozed.severity, closed.severity) == (Severity.HIGH, None)
    assert opened.url == "https://app.intercom.com/a/inbox/abc12345/inbox/conversation/5153"


async def test_a_rating_is_a_signal_of_its_own_and_changes_with_the_answer() -> None:
    twin = Twin()
    asked = {"rating": None, "remark": None, "created_at": 1_777_885_200}
    async with polling(twin) as source:
        twin.emit({"number": 1, "title": "No report", "conversation_rating": asked, "at": NINE})
        assert [one.external_id for one in await source.fresh()] == ["conversation/5151"]
        twin.emit(
            {"number": 1, "conversation_rating": asked | {"rating": 1, "remark": "Slow"}, "at": TEN}
        )
        bad = {one.kind: one for one in await source.fresh()}["support.csat"]
        twin.emit({"number": 1, "state": "closed", "at": TEN})
        await source.poll()
        twin.emit({"number": 1, "conversation_rating": asked | {"rating": 5}, "at": TEN})
        await source.poll()
        good = source.current["conversation/5151/csat"]
        rated = [one for one in source.stored.values() if one.kind == "support.csat"]
    assert rated == [bad, good]
    assert (bad.title, bad.body) == ("Rated 1 of 5: No report", "Slow")
    assert (bad.sentiment, bad.severity) == (-1.0, Severity.MEDIUM)
    assert (good.sentiment, good.severity, good.attributes) == (1.0, None, {"score": 5, "scale": 5})
    assert good.thread == "conversation/5151"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "support.ticket.opened"),
        ({"ticket_state": {"category": "in_progress"}}, "support.ticket.updated"),
        ({"ticket_state": {"category": "waiting_on_customer"}}, "support.ticket.updated"),
        ({"ticket_state": "in_progress"}, "support.ticket.updated"),  # in older versions
        ({"ticket_state": {"category": "resolved"}, "open": False}, "support.ticket.solved"),
        ({"category": "Tracker"}, "support.issue.recurring"),
    ],
)
async def test_the_state_of_a_ticket_is_its_kind(changes: dict[str, Any], kind: str) -> None:
    twin = Twin()
    twin.emit({"ticket": True, "number": 1, "admin_assignee_id": "992", "at": NINE} | changes)
    async with polling(twin) as source:
        [draft] = await source.fresh()
    assert (draft.kind, draft.external_id) == (kind, "ticket/6331")
    assert (draft.title, draft.body) == ("The export is empty", "Since this morning.")
    assert draft.owner == PersonRef(name="Ana Costa", email="992@acme.example")
    assert draft.attributes["number"] == "1"


@pytest.mark.parametrize("size", [1, 2, 3, 150])
async def test_pages_of_any_size_bring_the_same_and_every_cursor_resumes(size: int) -> None:
    twin = Twin(page=size)
    for number in range(1, 6):
        twin.emit({"number": number, "at": NINE})  # one second: the stamps are tied
        twin.emit({"ticket": True, "number": number, "at": NINE})
    async with polling(twin) as source:
        await source.poll()
        assert len(source.stored) == 10
    async with polling(twin) as source:
        polls = 0
        while len(source.current) < 10:
            await source.poll(stop_after=1)
            polls += 1
            assert polls < 40


async def test_two_changes_within_one_second_are_two_revisions() -> None:
    twin = Twin()
    async with polling(twin) as source:
        twin.emit({"number": 1, "at": NINE})
        await source.poll()
        twin.emit({"number": 1, "title": "Renamed at once", "at": NINE})
        await source.poll()
    assert source.current["conversation/5151"].title == "Renamed at once"


async def test_a_change_that_the_search_learns_of_late_is_found() -> None:
    twin = Twin()
    twin.lag = timedelta(seconds=100)
    async with polling(twin) as source:
        twin.emit({"number": 1, "at": (now() - timedelta(seconds=150)).isoformat()})
        twin.emit({"number": 2, "at": (now() - timedelta(seconds=50)).isoformat()})
        assert len(await source.fresh()) == 1
        twin.emit({"number": 3, "at": (now() - timedelta(seconds=120)).isoformat()})
        twin.lag = timedelta(0)
        await source.poll()
    assert len(source.current) == 3


async def test_a_page_whose_cursor_is_no_longer_good_is_asked_for_anew() -> None:
    twin = Twin(page=1)
    for number in range(1, 5):
        twin.emit({"number": number, "at": NINE})
    async with polling(twin, parts=["conversations"]) as source:
        await source.poll(stop_after=2)
        twin.forget()
        await source.poll()
    assert len(source.current) == 4


@pytest.mark.parametrize(
    "topic",
    ["conversation.user.created", "conversation.admin.closed", "conversation.rating.added"],
)
async def test_a_webhook_and_the_search_meet_as_one_revision(topic: str) -> None:
    twin = Twin()
    rating = {"rating": 4, "remark": "Fine", "created_at": 1_777_885_200}
    state = "closed" if topic.endswith("closed") else "open"
    changes = {"state": state, "conversation_rating": rating, "admin_assignee_id": 991}
    one = twin.emit({"number": 1, "company": {"name": "Globex"}, "at": NINE} | changes)
    ticket = twin.emit({"ticket": True, "number": 1, "at": NINE})
    async with polling(twin) as source:
        await source.poll()
        about, rated = read(source, pushed(twin, topic, one))
        [told] = read(source, pushed(twin, "ticket.created", ticket))
        [wrapped] = read(
            source, pushed(twin, "ticket.state.updated", {"type": "x", "ticket": ticket})
        )
    for draft in (about, rated, told):
        polled = source.stored[draft.external_id, draft.revision]
        # The text comes as HTML or plain, and who has it only as a number.
        assert polled.model_dump(exclude={"owner"}) == draft.model_dump(exclude={"owner"})
    assert about.account == AccountRef(name="Globex")
    assert wrapped == told


async def test_only_a_webhook_tells_that_a_conversation_is_deleted() -> None:
    twin = Twin()
    twin.emit({"number": 1, "title": "My salary", "at": NINE})
    async with polling(twin) as source:
        await source.poll()
        gone = twin.emit({"number": 1, "delete": True})
        await source.poll()
        assert source.current["conversation/5151"].status is Status.OPEN
        item = {"type": "conversation", "id": gone["id"]}
        [draft] = read(source, pushed(twin, "conversation.deleted", item))
    assert (draft.external_id, draft.status) == ("conversation/5151", Status.DELETED)
    assert "salary" not in draft.model_dump_json()


def test_a_ping_is_answered_and_not_kept_and_another_key_is_refused() -> None:
    twin = Twin()
    connector = Intercom(token="t", signing_secret=twin.signing_secret)
    assert connector.verify(pushed(twin, "ping", {"type": "ping"})) == Reply()
    push = pushed(twin, "company.created", {"type": "company", "id": "1"})
    verdict = connector.verify(push)
    assert isinstance(verdict, Accepted)
    assert str(verdict.delivery).startswith("notif_")
    assert connector.read(push) == []
    with pytest.raises(PushRefused):
        Intercom(token="t", signing_secret="another").verify(push)


async def test_nulls_and_fields_that_nobody_knows_are_no_trouble() -> None:
    twin = Twin()
    one = twin.emit({"number": 1, "at": NINE})
    nothing = ("source", "tags", "priority", "statistics", "company", "state", "contacts", "title",
               "custom_attributes", "updated_at_")  # fmt: skip
    one |= dict.fromkeys(nothing) | {"x_new": [None]}
    ticket = twin.emit({"ticket": True, "number": 1, "at": NINE})
    ticket |= dict.fromkeys(("ticket_attributes", "ticket_state", "ticket_type", "category"))
    async with polling(twin, workspace=None) as source:
        await source.poll()
        assert not source.bad
    draft, other = source.current["conversation/5151"], source.current["ticket/6331"]
    assert (draft.title, draft.author, draft.body, draft.url) == (
        "Conversation 5151", None, None, None)  # fmt: skip
    assert (other.title, other.kind) == ("Ticket 6331", "support.ticket.updated")


async def test_a_bad_record_is_set_aside_and_its_page_goes_on() -> None:
    twin = Twin()
    for number in range(1, 5):
        twin.emit({"number": number, "at": NINE})
    conversations = twin.records["conversations"]
    conversations["2"]["created_at"] = "yesterday"
    conversations["3"]["tags"] = {"tags": [{"name": 5}]}
    async with polling(twin) as source:
        await source.poll()
    assert source.current.keys() == {"conversation/5151", "conversation/5154"}
    assert {bad.external_id for bad in source.bad} == {"5152", "5153"}


async def test_a_wrong_token_stops_the_source_and_is_not_repeated() -> None:
    async with polling(Twin(), token="stolen") as source:
        with pytest.raises(AuthFailed, match="Access Token Invalid") as refused:
            await source.poll()
        assert "stolen" not in str(refused.value) + repr(source.connector)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({}, "query is required"),
        ({"query": {"field": "updated_at", "operator": "GT", "value": 1}}, "GT is no operator"),
        ({"query": {"field": "mood", "operator": ">", "value": 1}}, "mood cannot be searched"),
        (
            {
                "query": {"field": "updated_at", "operator": ">", "value": 1},
                "pagination": {"per_page": 151},
            },
            "between 1 and 150",
        ),
    ],
)
async def test_the_twin_refuses_what_the_vendor_does_not_describe(
    question: dict[str, Any], said: str
) -> None:
    twin = Twin()
    headers = {"Authorization": f"Bearer {twin.token}", "Intercom-Version": "2.15"}
    async with serve(twin.app) as url, httpx2.AsyncClient() as client:
        path = f"{url}/conversations/search"
        answer = await client.post(path, json=question, headers=headers)
        bare = await client.post(
            path, json=question, headers={"Authorization": headers["Authorization"]}
        )
    assert answer.status_code == bare.status_code == 400
    assert said in answer.text


async def test_the_examples_of_the_vendors_own_description_are_read_whole() -> None:
    """They are no recording of a live workspace, so they do not count for certification."""
    examples = Path(__file__).with_name("intercom_examples.json").read_bytes()
    recording = Recording.model_validate_json(examples)
    async with serve(recording.app("")) as url, Clients() as clients:
        source = poller(Twin(), url, clients)
        await source.poll()
    assert not source.bad
    assert len(source.current) == recording.signals
