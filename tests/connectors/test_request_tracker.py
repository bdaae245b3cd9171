"""Request Tracker: each transaction that people see becomes one revision of its ticket."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from connectors.request_tracker import RequestTracker
from connectors.twins.request_tracker import Twin
from hub.connector import AuthFailed, Draft, Http, SourceMisbehaved, Status, now
from hub.connector.clock import moved
from tests.connectors.polling import Poller, polling

NINE = "2026-05-04T09:00:00+00:00"
TEN = "2026-05-04T10:00:00+00:00"
JANE = {"name": "Jane Doe", "email": "jane@acme-robotics.example"}


async def read(*records: dict[str, Any], **settings: Any) -> dict[str, Draft]:
    """Emit records into a new twin and poll once."""
    twin = Twin()
    for record in records:
        twin.emit(record)
    async with polling(twin, **settings) as source:
        await source.poll()
        assert not source.bad
        return source.current


def revisions(source: Poller, number: int) -> list[Draft]:
    return [draft for draft in source.drafts if draft.external_id == f"ticket/{number}"]


async def test_a_new_ticket_tells_who_asks_for_which_customer() -> None:
    opened = {"Subject": "Export is empty", "text": "Since today.", "Priority": 20, "at": NINE}
    found = await read(opened | {"requestor": JANE})
    draft = found["ticket/1"]
    assert draft.kind == "support.ticket.opened"
    assert (draft.title, draft.body, draft.summary) == ("Export is empty", "Since today.", "")
    assert draft.occurred_at == draft.revised_at == datetime(2026, 5, 4, 9, tzinfo=UTC)
    assert draft.revision == "2"
    assert draft.status is Status.OPEN
    assert draft.author is not None
    assert (draft.author.name, draft.author.email) == tuple(JANE.values())
    assert draft.account is not None
    assert (draft.account.name, draft.account.domain) == ("acme-robotics.example",) * 2
    assert draft.owner is None
    assert draft.labels == ("General",)
    assert draft.thread == "ticket/1"
    assert draft.url is not None
    assert draft.url.endswith("/Ticket/Display.html?id=1")
    assert "REST" not in draft.url
    assert draft.attributes == {"number": 1, "queue": "General", "state": "new", "priority": 20}


@pytest.mark.parametrize(
    ("requestor", "account"),
    [
        ({"email": "jo@gmail.com"}, None),
        ({"email": "jo@localhost"}, None),
        ({"name": "reception"}, None),
        ({"email": "jo@acme.example"}, ("acme.example", "acme.example")),
        (
            {"email": "jo@acme.example", "organization": "Acme Robotics"},
            ("Acme Robotics", "acme.example"),
        ),
        ({"email": "jo@web.de", "organization": "Acme Robotics"}, ("Acme Robotics", None)),
    ],
)
async def test_the_customer_is_the_organization_or_the_domain_never_a_mail_provider(
    requestor: dict[str, str], account: tuple[str, str | None] | None
) -> None:
    found = (await read({"requestor": requestor}))["ticket/1"].account
    assert (found and (found.name, found.domain)) == account


async def test_every_change_that_people_see_is_a_revision_as_it_was_then() -> None:
    twin = Twin()
    twin.emit({"Subject": "Slow", "text": "Very slow.", "Priority": 10, "requestor": JANE})
    twin.emit({"ticket": 1, "reply": "We look at it.", "Status": "open"})
    twin.emit({"ticket": 1, "Priority": 90})
    twin.emit({"ticket": 1, "Owner": "root", "Subject": "Slow since Monday"})
    twin.emit({"ticket": 1, "requestor": {"email": "joe@globex.example"}})
    twin.emit({"ticket": 1, "Status": "resolved"})
    async with polling(twin, escalation_priority=80) as source:
        await source.poll()
        seen = revisions(source, 1)
        assert not await source.fresh(), "nothing new, nothing read again"
    assert [(draft.kind, draft.title, draft.summary) for draft in seen] == [
        ("support.ticket.opened", "Slow", ""),
        ("support.ticket.updated", "Slow", "root answered"),
        ("support.ticket.updated", "Slow", "Status: new → open"),
        ("support.escalation", "Slow", "Priority: 10 → 90"),
        ("support.escalation", "Slow", "Owner changed"),
        ("support.escalation", "Slow since Monday", "Subject: Slow → Slow since Monday"),
        ("support.escalation", "Slow since Monday", "Requestor changed"),
        ("support.ticket.solved", "Slow since Monday", "Status: open → resolved"),
    ]
    assert [draft.attributes["state"] for draft in seen] == ["new"] * 2 + ["open"] * 5 + [
        "resolved"
    ]
    assert {draft.body for draft in seen} == {"Very slow."}
    assert seen[-1].status is Status.RESOLVED
    assert seen[-1].owner is not None
    assert seen[-1].owner.name == "Enoch Root"
    assert [int(draft.revision) for draft in seen] == sorted(int(one.revision) for one in seen)


@pytest.mark.parametrize(
    ("status", "kind", "stands"),
    [
        ("stalled", "support.ticket.updated", Status.OPEN),
        ("rejected", "support.ticket.solved", Status.RESOLVED),
        ("deleted", "support.ticket.updated", Status.DELETED),
    ],
)
async def test_how_a_ticket_stands(status: str, kind: str, stands: Status) -> None:
    draft = (await read({}, {"ticket": 1, "Status": status}))["ticket/1"]
    assert (draft.kind, draft.status) == (kind, stands)
    assert (draft.body is None) is (stands is Status.DELETED)


async def test_a_ticket_deleted_before_it_was_read_never_shows_its_text() -> None:
    twin = Twin()
    twin.emit({"Subject": "Pills", "text": "buy pills"})
    twin.emit({"ticket": 1, "Status": "deleted"})
    async with polling(twin) as source:
        await source.poll()
    assert [draft.body for draft in revisions(source, 1)] == [None, None]


async def test_a_merged_ticket_is_solved_and_joins_the_thread_of_the_other() -> None:
    twin = Twin()
    twin.emit({"Subject": "First"})
    twin.emit({"Subject": "Second", "text": "The same again."})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"ticket": 2, "merge_into": 1})
        await source.poll()
    merged, into = source.current["ticket/2"], source.current["ticket/1"]
    assert (merged.kind, merged.status) == ("support.ticket.solved", Status.RESOLVED)
    assert (merged.title, merged.body) == ("Merged into 1: First", "The same again.")
    assert merged.thread == into.thread == "ticket/1"
    assert (into.kind, into.summary) == ("support.ticket.updated", "Merged")


async def test_only_the_chosen_queues_are_read_and_what_leaves_them_is_gone() -> None:
    twin = Twin()
    twin.emit({"Subject": "Ours", "Queue": "Customer care"})
    twin.emit({"Subject": "Not ours"})
    async with polling(twin, queues=["Customer care"]) as source:
        await source.poll()
        assert list(source.current) == ["ticket/1"]
        twin.emit({"ticket": 1, "Queue": "People & pay"})
        twin.emit({"ticket": 1, "Subject": "A secret"})
        await source.poll()
    gone = source.current["ticket/1"]
    assert (gone.status, gone.body) == (Status.DELETED, None)
    assert "A secret" not in {draft.title for draft in source.drafts}


async def test_a_misspelled_queue_is_said() -> None:
    async with polling(Twin(), queues=["Custmer care"]) as source:
        with pytest.raises(SourceMisbehaved, match="Custmer"):
            await source.poll()


@pytest.mark.parametrize("hours", [-12, -5, 0, 14])
async def test_since_holds_in_every_time_zone_of_the_account(hours: int) -> None:
    twin = Twin(utc_offset=timedelta(hours=hours))
    twin.emit({"Subject": "Before", "at": "2026-05-04T08:59:59+00:00"})
    twin.emit({"Subject": "At", "at": NINE})
    twin.emit({"Subject": "After", "at": TEN})
    async with polling(twin, since=NINE) as source:
        await source.poll()
    assert [draft.title for draft in source.current.values()] == ["At", "After"]


async def test_pages_of_a_long_history_can_be_resumed_anywhere() -> None:
    twin = Twin()
    for number in range(120):
        twin.emit({"Subject": f"Ticket {number}", "at": NINE})
    async with polling(twin) as source:
        assert len(await source.poll()) == 3
        whole = {one.external_id for one in source.drafts}
        assert len(whole) == len(source.drafts) == 120
    for died in (1, 2):
        async with polling(twin) as source:
            await source.poll(stop_after=died)
            await source.poll()
            assert {one.external_id for one in source.drafts} == whole
            assert len(source.drafts) == 120


async def test_a_number_that_is_committed_late_is_not_lost() -> None:
    twin = Twin()
    twin.emit({"Subject": "First"})
    twin.emit({"Subject": "Slow to commit"})
    late = {int(row["id"]) for row in twin.desk.transactions if row["ObjectId"] == "2"}
    twin.uncommitted |= late
    twin.emit({"Subject": "Quick"})
    async with polling(twin) as source:
        await source.poll()
        assert [one.title for one in source.drafts] == ["First", "Quick"]
        twin.uncommitted -= late
        assert [one.title for one in await source.fresh()] == ["Slow to commit"]
        assert not await source.fresh()


async def test_a_hole_is_not_passed_over_while_its_neighbours_settle_between_two_pages() -> None:
    twin = Twin()
    young = (now() - timedelta(seconds=50)).isoformat()
    for number in range(60):
        twin.emit({"Subject": f"Ticket {number}", "at": young})
    late = {int(row["id"]) for row in twin.desk.transactions if row["ObjectId"] == "9"}
    twin.uncommitted |= late
    async with polling(twin) as source:
        async with source.opened() as api, aclosing(source.pull(api)) as pages:
            source._store(await anext(pages))
            twin.uncommitted -= late
            with moved(timedelta(seconds=20)):
                async for page in pages:
                    source._store(page)
        assert "ticket/9" not in source.current
        await source.poll()
        assert len(source.current) == len(source.drafts) == 60


async def test_pages_that_hold_only_what_the_account_may_not_see_are_passed() -> None:
    twin = Twin()
    for number in range(120):
        twin.emit({"Subject": f"Ticket {number}", "at": NINE})
    twin.hidden = set(range(1, 116))
    async with polling(twin) as source:
        await source.poll()
        assert source.current.keys() == {f"ticket/{number}" for number in range(116, 121)}
        assert not await source.fresh()


class Busy(Twin):
    """Something happens whenever the newest transaction is asked for, and then it may vanish."""

    def __init__(self, *, vanishes: bool) -> None:
        super().__init__()
        self.vanishes, self.asked = vanishes, list[str]()

    def refuse(self, request: Request) -> Response | None:
        if order := request.query_params.get("order"):
            self.asked.append(order)
            if self.asked[-1] == "DESC":
                self.emit({"ticket": 1, "Status": "deleted"})
            elif self.vanishes and "DESC" in self.asked:
                self.hidden = {1}
        return super().refuse(request)


@pytest.mark.parametrize("vanishes", [False, True])
async def test_what_happens_between_two_questions_does_not_keep_a_poll_from_its_end(
    vanishes: bool,
) -> None:
    twin = Busy(vanishes=vanishes)
    twin.emit({"Subject": "Export", "at": NINE})
    async with polling(twin) as source, asyncio.timeout(20):
        await source.poll()
        assert twin.asked.count("DESC") in {1, 2}
    wanted = Status.OPEN if vanishes else Status.DELETED
    assert source.current["ticket/1"].status is wanted


async def test_a_burst_within_the_last_minute_is_read_once_though_it_is_asked_for_again() -> None:
    twin = Twin()
    for number in range(80):
        twin.emit({"Subject": f"Ticket {number}"})
    async with polling(twin) as source:
        await source.poll()
        assert len(source.drafts) == 80
        twin.emit({"ticket": 7, "Status": "resolved"})
        assert [one.external_id for one in await source.fresh()] == ["ticket/7"]
        with moved(timedelta(minutes=2)):
            assert not await source.fresh()
            assert source.cursor == {"after": "241"}, "all is settled"


async def test_what_the_place_was_written_as_before_is_gone_on_from() -> None:
    twin = Twin()
    twin.emit({"Subject": "Settled", "at": NINE})
    twin.emit({"Subject": "Read"})
    twin.emit({"Subject": "Late"})
    async with polling(twin) as source:
        source.cursor = {"settled": 2, "read": [5]}
        assert [one.title for one in await source.fresh()] == ["Late"]


async def test_a_superuser_is_told_how_many_there_are() -> None:
    twin = Twin(superuser=True)
    for number in range(120):
        twin.emit({"Subject": f"Ticket {number}", "at": NINE})
    twin.hidden = set(range(1, 106))  # somebody's settings hide what the count has
    async with polling(twin) as source:
        pages = await source.poll()
        assert len(source.current) == 15
        assert len(pages) == 1, "the last is known to be it"


async def test_the_text_is_plain_before_html_and_never_a_file() -> None:
    twin = Twin()
    twin.emit({"Subject": "Html", "html": "<p>I want <b>bold</b>\n &amp; more</p><ul><li>a</ul>"})
    twin.emit({"Subject": "Nothing said"})
    opened = twin.emit({"Subject": "Both", "html": "<p>from html</p>"})
    row = next(row for row in twin.desk.transactions if row["ObjectId"] == str(opened["id"]))
    number = int(row["id"]) + 1  # after the group that came with it
    twin.desk.write(number, "a log file", "text/plain", "app.log")
    twin.desk.write(number, "from plain", "text/plain")
    twin.desk.write(number, "x" * 60_000, "text/plain")
    async with polling(twin) as source:
        await source.poll()
    bodies = [source.current[f"ticket/{one}"].body for one in (1, 2, 3)]
    assert bodies == ["I want bold & more\na", None, "from plain"]


async def test_more_attachments_than_a_page_holds() -> None:
    twin = Twin()
    for number in range(40):
        twin.emit({"Subject": "Photos", "text": f"See photo {number}", "at": NINE})
        created = max(int(r["id"]) for r in twin.desk.transactions if r["Type"] == "Create")
        for file in range(3):
            twin.desk.write(created, "x", "text/plain", f"{file}.txt")
    async with polling(twin) as source:
        await source.poll()
    assert {one.body for one in source.current.values()} == {f"See photo {n}" for n in range(40)}


async def test_a_ticket_that_cannot_be_read_is_set_aside_and_its_page_goes_on() -> None:
    twin = Twin()
    twin.emit({"Subject": "Odd"})
    twin.emit({"Subject": "Even"})
    twin.desk.tickets[1]["Priority"] = "urgent"
    async with polling(twin) as source:
        await source.poll()
    assert [one.title for one in source.drafts] == ["Even"]
    assert [bad.external_id for bad in source.bad] == ["2"]
    assert "urgent" in source.bad[0].reason


async def test_both_ways_to_sign_in() -> None:
    for twin in (Twin(), Twin(token="1-14-abc")):
        twin.emit({})
        async with polling(twin) as source:
            await source.poll()
            assert source.drafts


async def test_a_wrong_password_stops_the_source() -> None:
    async with polling(Twin(), password="wrong") as source:
        with pytest.raises(AuthFailed):
            await source.poll()


@pytest.mark.parametrize(
    "way_in",
    [{}, {"user": "root"}, {"password": "x"}, {"token": "t", "user": "root", "password": "x"}],
)
def test_one_way_to_sign_in_is_asked_for(way_in: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="user"):
        RequestTracker.model_validate({"url": "https://rt.example", **way_in})


def test_the_address_of_the_api_is_taken_too() -> None:
    for url in ("https://rt.example/rt/", "https://rt.example/rt/REST/2.0"):
        given = {"url": url, "token": "t"}
        endpoint = RequestTracker.model_validate(given).endpoint()
        assert isinstance(endpoint, Http)
        assert endpoint.url == "https://rt.example/rt/REST/2.0"
