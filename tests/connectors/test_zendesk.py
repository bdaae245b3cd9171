"""Zendesk: tickets in the order of their changes become signals, once each."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.twins.zendesk import Twin
from hub.connector import (
    AccountRef,
    AuthFailed,
    Draft,
    PersonRef,
    Severity,
    Status,
)
from hub.http import Clients
from tests.connectors.polling import poller, polling
from tests.examples import examples
from tests.servers import serve

NINE = "2026-05-04T09:00:00+00:00"
TEN = "2026-05-04T10:00:00+00:00"
ACME = {"name": "Acme Robotics", "domain": "acme-robotics.example"}
ROBIN = {"name": "Robin Weber", "email": "robin@acme-robotics.example"}


async def read(*records: dict[str, Any], **options: Any) -> dict[str, Draft]:
    """Emit records into a new twin and poll once."""
    twin = Twin(**options)
    for record in records:
        twin.emit(record)
    async with polling(twin) as source:
        await source.poll()
        assert not source.bad
        return source.current


async def test_a_new_ticket_tells_who_asks_for_which_customer() -> None:
    words = {"subject": "The export is empty", "description": "Since this morning."}
    facts = {"priority": "high", "type": "question"}
    ticket = words | facts | {"tags": ["export", "csv"]}
    found = await read({"ticket": ticket, "requester": ROBIN, "organization": ACME, "at": NINE})
    draft = found["ticket/1"]
    assert draft.kind == "support.ticket.opened"
    assert (draft.title, draft.body) == ("The export is empty", "Since this morning.")
    assert draft.occurred_at == draft.revised_at == datetime(2026, 5, 4, 9, tzinfo=UTC)
    assert draft.revision == str(int(draft.revised_at.timestamp()))
    assert (draft.severity, draft.status) == (Severity.HIGH, Status.OPEN)
    assert draft.account == AccountRef(**ACME)
    assert draft.author == PersonRef(**ROBIN)
    assert draft.owner is None
    assert (draft.labels, draft.thread) == (("export", "csv"), "ticket/1")
    assert draft.url == "https://acme.zendesk.example/agent/tickets/1"
    assert draft.attributes == facts | {"number": 1, "channel": "web", "has_incidents": False}


@pytest.mark.parametrize(
    ("ticket", "kind", "severity"),
    [
        ({"status": "new"}, "support.ticket.opened", None),
        ({"type": "problem"}, "support.ticket.opened", None),
        ({"status": "pending"}, "support.ticket.updated", None),
        ({"status": "solved"}, "support.ticket.solved", None),
        ({"status": "closed", "priority": "urgent"}, "support.ticket.solved", None),
        ({"priority": "urgent"}, "support.escalation", Severity.CRITICAL),
        ({"priority": "low", "tags": ["escalated"]}, "support.escalation", Severity.HIGH),
        ({"type": "problem", "has_incidents": True}, "support.issue.recurring", None),
    ],
)
async def test_the_kind_follows_the_state(
    ticket: dict[str, Any], kind: str, severity: Severity | None
) -> None:
    found = await read({"id": 7, "at": NINE}, {"id": 7, "ticket": ticket, "at": TEN})
    draft = found["ticket/7"]
    assert (draft.kind, draft.severity) == (kind, severity)
    assert draft.status is (Status.RESOLVED if kind == "support.ticket.solved" else Status.OPEN)
    happened = NINE if kind == "support.ticket.opened" else TEN
    assert draft.occurred_at == datetime.fromisoformat(happened)


async def test_each_change_is_a_revision_of_one_signal_and_nothing_new_moves_nothing() -> None:
    twin = Twin()
    async with polling(twin) as source:
        twin.emit({"id": 3, "at": NINE})
        [opened] = await source.fresh()
        before = source.cursor
        assert await source.fresh() == []
        assert source.cursor == before
        twin.emit({"id": 3, "status": "open", "at": TEN})
        [updated] = await source.fresh()
        twin.emit({"id": 3, "status": "solved", "at": TEN})
        [solved] = await source.fresh()
    states = (opened, updated, solved)
    assert {draft.external_id for draft in states} == {"ticket/3"}
    assert [draft.kind.rpartition(".")[2] for draft in states] == ["opened", "updated", "solved"]
    assert opened.revised_at < updated.revised_at < solved.revised_at
    assert solved.owner == PersonRef(name="Sam Okafor", email="sam@acme.example")


async def test_a_deleted_ticket_is_withdrawn_with_its_rating_and_repeats_no_text() -> None:
    twin = Twin()
    twin.emit({"id": 4, "subject": "My salary", "status": "solved", "satisfaction_rating": "bad"})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"id": 4, "status": "deleted"})
        gone = await source.fresh()
    assert [draft.external_id for draft in gone] == ["ticket/4", "ticket/4/csat"]
    for draft in gone:
        assert draft.status is Status.DELETED
        assert "salary" not in draft.model_dump_json()


async def test_a_rating_is_a_signal_of_its_own_once_for_each_answer() -> None:
    twin = Twin()
    solved = {"id": 5, "subject": "No report", "status": "solved", "at": NINE}
    async with polling(twin) as source:
        for silent in ("unoffered", "offered"):
            twin.emit(solved | {"satisfaction_rating": {"score": silent}})
            assert [draft.external_id for draft in await source.fresh()] == ["ticket/5"]
        twin.emit(solved | {"satisfaction_rating": {"score": "bad", "comment": "Too slow"}})
        _, bad = await source.fresh()
        twin.emit(solved | {"status": "closed"})
        await source.poll()
        twin.emit(solved | {"satisfaction_rating": {"score": "good", "comment": None}})
        *_, good = await source.fresh()
        kept = [one for (about, _), one in source.stored.items() if about == "ticket/5/csat"]
    assert kept == [bad, good]
    assert (bad.kind, bad.title, bad.body) == ("support.csat", "Rated bad: No report", "Too slow")
    assert (bad.severity, bad.sentiment) == (Severity.MEDIUM, -1.0)
    assert bad.attributes == {"number": 5, "rating": "bad"}
    assert (good.severity, good.sentiment, good.body) == (None, 1.0, None)
    assert source.current["ticket/5/csat"] == good


async def test_a_problem_becomes_recurring_by_its_first_incident_though_its_update_time_stays() -> (
    None
):
    twin = Twin()
    twin.emit({"id": 1, "subject": "Exports fail", "type": "problem", "at": NINE})
    async with polling(twin) as source:
        [problem] = await source.fresh()
        twin.emit({"id": 2, "type": "incident", "problem_id": 1, "at": TEN})
        await source.poll()
    recurring, incident = source.current["ticket/1"], source.current["ticket/2"]
    assert problem.kind == "support.ticket.opened"
    assert recurring.kind == "support.issue.recurring"
    assert recurring.occurred_at == problem.occurred_at
    assert recurring.revision != problem.revision
    assert incident.thread == recurring.thread == "ticket/1"
    assert incident.attributes["problem"] == 1


async def test_of_several_domains_the_one_that_the_requester_writes_from_counts() -> None:
    twin = Twin()
    twin.emit({"id": 1, "requester": ROBIN, "organization": ACME})
    [acme] = twin.organizations.values()
    acme["domain_names"] = ["acme.example", "acme-robotics.example"]
    twin.emit({"id": 2, "requester": {"name": "Kim", "email": None}, "organization": ACME})
    twin.emit({"id": 3, "requester": ROBIN, "organization": None})
    async with polling(twin) as source:
        await source.poll()
    first, second, third = (source.current[f"ticket/{number}"].account for number in (1, 2, 3))
    assert first == AccountRef(**ACME)
    assert second == AccountRef(name="Acme Robotics", domain="acme.example")
    assert third is None


async def test_nulls_and_fields_that_nobody_knows_are_no_trouble() -> None:
    nulls = dict.fromkeys(("subject", "description", "tags", "via", "url", "satisfaction_rating"))
    found = await read({"ticket": nulls | {"sentiment_v9": [None]}, "organization": None})
    draft = found["ticket/1"]
    assert (draft.title, draft.body, draft.url, draft.account) == ("Ticket 1", None, None, None)
    assert draft.labels == ()


async def test_a_bad_record_is_set_aside_and_its_page_goes_on() -> None:
    twin = Twin()
    for number in range(1, 6):
        twin.emit({"id": number, "at": NINE})
    twin.tickets[2]["created_at"] = "yesterday"
    twin.tickets[3]["updated_at"] = None
    twin.tickets[4]["tags"] = [{"name": "x"}]
    async with polling(twin) as source:
        await source.poll()
    assert source.current.keys() == {"ticket/1", "ticket/5"}
    assert [bad.external_id for bad in source.bad] == ["2", "3", "4"]
    assert all(bad.reason for bad in source.bad)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 500])
async def test_pages_of_any_size_bring_the_same_and_every_cursor_resumes(size: int) -> None:
    twin = Twin(page=size)
    for number in range(1, 8):
        twin.emit({"id": number, "at": NINE})  # one second: the stamps are tied
    async with polling(twin) as source:
        pages = await source.poll()
        assert len(pages) == -(-7 // size)
        assert len(source.drafts) == len(source.stored) == 7
    async with polling(twin) as source:
        while len(source.current) < 7:
            await source.poll(stop_after=1)  # the process dies after each page
        assert len(source.drafts) == 7


async def test_a_cursor_of_the_first_release_is_read_on() -> None:
    twin = Twin()
    twin.emit({"id": 1, "at": NINE})
    async with polling(twin) as source:
        await source.poll()
        source.cursor = {"cursor": source.cursor["token"]}
        twin.emit({"id": 2, "at": TEN})
        assert [draft.external_id for draft in await source.fresh()] == ["ticket/2"]


async def test_the_last_minute_comes_when_it_is_a_minute_old() -> None:
    twin = Twin(lag=timedelta(minutes=1))
    now = datetime.now(UTC)
    twin.emit({"id": 1, "at": (now - timedelta(seconds=90)).isoformat()})
    twin.emit({"id": 2, "at": (now - timedelta(seconds=20)).isoformat()})
    async with polling(twin, since=now) as source:  # Zendesk refuses so late a start: 422
        assert await source.fresh() == []
        assert await source.fresh() == []
    async with polling(twin, since=now - timedelta(hours=1)) as source:
        assert [draft.external_id for draft in await source.fresh()] == ["ticket/1"]
        assert await source.fresh() == []
        twin.lag = timedelta(seconds=10)  # as if fifty seconds had passed
        assert [draft.external_id for draft in await source.fresh()] == ["ticket/2"]


async def test_the_first_sync_begins_where_it_is_told() -> None:
    twin = Twin()
    twin.emit({"id": 1, "at": NINE})
    twin.emit({"id": 2, "at": TEN})
    async with polling(twin, since=TEN) as source:
        await source.poll()
    assert source.current.keys() == {"ticket/2"}


async def test_a_wrong_token_stops_the_source_and_says_why() -> None:
    async with polling(Twin(), token="stolen") as source:
        with pytest.raises(AuthFailed, match="Couldn't authenticate you") as refused:
            await source.poll()
        assert "stolen" not in str(refused.value) + repr(source.connector)


async def test_without_an_address_the_token_is_an_oauth_token() -> None:
    async with polling(Twin(), email=None) as source:
        assert await source.fresh() == []


@pytest.mark.parametrize("query", ["", "start_time=soon", "start_time=1&page=2", "cursor=bm90"])
async def test_the_twin_refuses_what_the_vendor_does_not_describe(query: str) -> None:
    twin = Twin()
    async with serve(twin.app) as url, httpx2.AsyncClient() as client:
        path = f"{url}/api/v2/incremental/tickets/cursor.json?{query}"
        answer = await client.get(path, headers={"Authorization": f"Bearer {twin.token}"})
        assert answer.status_code == 400
        assert (await client.get(path)).status_code == 401


async def test_the_demo_door_opens_tickets_and_says_what_it_cannot() -> None:
    twin = Twin()
    async with serve(twin.app) as url, httpx2.AsyncClient() as client:
        made = await client.post(f"{url}/_demo/emit", json={})
        wrong = await client.post(f"{url}/_demo/emit", json={"status": "resolved"})
    assert made.json()["subject"]
    assert made.json()["organization_id"] in twin.organizations
    assert wrong.status_code == 400
    assert "resolved" in wrong.json()["error"]


numbers, seconds, polls = st.integers(1, 4), st.integers(0, 2), st.booleans()
states = st.sampled_from(["new", "open", "solved", "deleted"])
scores = st.sampled_from(["unoffered", "good", "bad"])
events = st.tuples(numbers, states, scores, seconds, polls)


@examples(10)
@given(history=st.lists(events, max_size=12), size=st.integers(1, 4))
def test_however_the_polls_fall_the_same_is_known_in_the_end(
    history: list[tuple[int, str, str, int, bool]], size: int
) -> None:
    async def check() -> None:
        twin, now = Twin(page=size), datetime(2026, 5, 4, tzinfo=UTC)
        made: set[tuple[str, str]] = set()
        async with serve(twin.app) as url, Clients() as clients:
            often = poller(twin, url, clients)
            once = poller(twin, url, clients)
            for number, status, score, passed, polled in history:
                now += timedelta(seconds=passed)
                ticket = {"id": number, "status": status, "satisfaction_rating": score}
                record = twin.emit(ticket | {"at": now.isoformat()})
                made.add((f"ticket/{number}", str(record["generated_timestamp"])))
                if polled:
                    await often.poll(stop_after=1)
            await often.poll()
            await once.poll()
        assert {key for key in often.stored if not key[0].endswith("csat")} <= made
        assert once.stored.keys() <= often.stored.keys()
        for about, draft in once.current.items():
            assert often.current[about].revision == draft.revision
            assert often.current[about].attributes == draft.attributes
            assert often.current[about].status is draft.status

    asyncio.run(check())
