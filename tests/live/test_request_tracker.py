"""Tickets of a real Request Tracker, read by the hub."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from connectors.request_tracker import RequestTracker as Connector
from connectors.twins.request_tracker import Twin
from hub.http import Clients
from tests.connectors.polling import Poller
from tests.live.hub import reading
from tests.live.request_tracker import PASSWORD, READER, Desk, RequestTracker
from tests.live.shapes import differences
from tests.running import until
from tests.servers import serve

pytestmark = pytest.mark.live

BEGIN = datetime.now(UTC) - timedelta(seconds=5)
SECRETS = {"PASSWORD": PASSWORD}


@pytest.fixture
def desk(request_tracker: RequestTracker) -> Iterator[Desk]:
    with Desk(request_tracker.url) as desk:
        yield desk


@pytest.fixture
def queue(desk: Desk) -> str:
    """Make a queue for one test."""
    name = f"Support & more {uuid.uuid4().hex[:8]}"
    desk.http.post("/queue", json={"Name": name}).raise_for_status()
    return name


def source(request_tracker: RequestTracker, *queues: str, way_in: str | None = None) -> str:
    way_in = way_in or f'user = "{READER}"\npassword = "${{PASSWORD}}"'
    return (
        f'connector = "request_tracker"\nurl = "{request_tracker.url}"\n{way_in}\n'
        f"queues = {json.dumps(queues)}\nescalation_priority = 80\n"
        f'since = "{BEGIN.isoformat()}"'  # without what earlier runs have left
    )


async def test_a_ticket_is_shown_answered_escalated_and_solved(
    request_tracker: RequestTracker, desk: Desk, queue: str, tmp_path: Path
) -> None:
    said = "Seit heute: Größe fehlt, 日本語 auch"
    number = desk.open("Export is empty", said, Queue=queue, Requestor="jane@acme.example")
    key = f"ticket/{number}"
    async with reading(tmp_path, source(request_tracker, queue), SECRETS) as hub:
        shown = await hub.shows(key, "support", title="Export is empty", status="OPEN")
        assert (shown["kind"], shown["body"]) == ("support.ticket.opened", said)
        assert shown["account"]["name"] == "acme.example"
        assert (shown["labels"], shown["department"]) == ([queue], "SUPPORT")
        person = {"user": "root", "pass": PASSWORD}
        page = httpx2.post(shown["url"], data=person, trust_env=False, timeout=30)
        assert f"#{number}: Export is empty" in page.text, "the link leads to the ticket"

        desk.reply(number, "We look at it.")
        await hub.shows(key, "support", kind="support.ticket.updated")
        desk.change(number, Subject="Export is empty since today")
        desk.change(number, Owner="root")
        desk.change(number, Priority=90)
        shown = await hub.shows(key, "support", kind="support.escalation", severity="HIGH")
        assert shown["title"] == "Export is empty since today"
        assert shown["owner"]["name"] == "Enoch Root"

        async def all_told() -> bool:
            return len((await hub.signals("support"))[key]["history"]["edges"]) == 6

        # A ticket is shown as it is when its page is read: so one change that is still to come.
        await until(all_told, within=60)
        desk.change(number, Status="resolved")
        shown = await hub.shows(
            key, "support", kind="support.ticket.solved", status="RESOLVED", body=said
        )
    history = [edge["node"] for edge in shown["history"]["edges"]]
    assert [(one["status"], one["title"]) for one in history] == [
        ("OPEN", "Export is empty"),  # opened
        ("OPEN", "Export is empty"),  # answered
        ("OPEN", "Export is empty"),  # which opens it
        *[("OPEN", "Export is empty since today")] * 3,  # renamed, owned, urgent
        ("RESOLVED", "Export is empty since today"),
    ]


async def test_a_deleted_ticket_takes_its_words_along(
    request_tracker: RequestTracker, desk: Desk, queue: str, tmp_path: Path
) -> None:
    words = f"canary-{uuid.uuid4().hex}"
    number = desk.open(f"About {words}", f"It says {words}.", Queue=queue)
    async with reading(tmp_path, source(request_tracker, queue), SECRETS) as hub:
        await hub.shows(f"ticket/{number}", "support", body=f"It says {words}.")
        assert hub.keeps(words)
        desk.delete(number)
        shown = await hub.shows(f"ticket/{number}", "support", status="DELETED", body=None)
        assert {edge["node"]["title"] for edge in shown["history"]["edges"]} == {None}
        assert not hub.keeps(words)


async def test_a_merged_and_a_moved_ticket(
    request_tracker: RequestTracker, desk: Desk, queue: str, tmp_path: Path
) -> None:
    first, second = (desk.open(subject, "text", Queue=queue) for subject in ("First", "Second"))
    third = desk.open("Third", "text", Queue=queue)
    async with reading(tmp_path, source(request_tracker, queue), SECRETS) as hub:
        await hub.shows(f"ticket/{third}", "support", title="Third")
        desk.change(second, MergeInto=first)
        desk.change(third, Queue="General")
        merged = await hub.shows(f"ticket/{second}", "support", status="RESOLVED")
        assert (merged["title"], merged["thread"]) == (
            f"Merged into {first}: First",
            f"ticket/{first}",
        )
        await hub.shows(f"ticket/{third}", "support", status="DELETED", body=None)


async def test_nothing_that_happens_while_the_hub_is_down_is_lost(
    request_tracker: RequestTracker, desk: Desk, queue: str, tmp_path: Path
) -> None:
    numbers = [desk.open("before", "text", Queue=queue)]
    settings = source(request_tracker, queue)
    async with reading(tmp_path, settings, SECRETS) as hub:
        await hub.shows(f"ticket/{numbers[0]}", "support")
    numbers += [desk.open(f"ticket {number}", "text", Queue=queue) for number in range(25)]
    desk.change(numbers[0], Status="rejected")
    async with reading(tmp_path, settings, SECRETS) as hub:

        async def whole() -> bool:
            return len(await hub.signals("support")) == len(numbers)

        await until(whole, within=60)
        assert (await hub.signals("support")).keys() == {f"ticket/{one}" for one in numbers}
        shown = await hub.shows(f"ticket/{numbers[0]}", "support", status="RESOLVED")
        assert len(shown["history"]["edges"]) == 2


async def test_an_authentication_token_lets_the_hub_in(
    request_tracker: RequestTracker, desk: Desk, queue: str, tmp_path: Path
) -> None:
    number = desk.open("By token", "text", Queue=queue)
    settings = source(request_tracker, queue, way_in='token = "${TOKEN}"')
    async with reading(tmp_path, settings, {"TOKEN": request_tracker.token()}) as hub:
        await hub.shows(f"ticket/{number}", "support", title="By token")


async def test_who_may_see_tickets_and_nothing_else_reads_them(
    request_tracker: RequestTracker, desk: Desk, queue: str
) -> None:
    number = desk.open("By an agent", "text", Queue=queue, Requestor="jane@acme.example")
    desk.reply(number, "We look at it.")
    given = {"url": request_tracker.url, "user": READER, "password": PASSWORD, "queues": [queue]}
    async with Clients() as clients:
        read = Poller(Connector.model_validate({**given, "since": BEGIN.isoformat()}), clients)
        await read.poll()
        shown = read.current[f"ticket/{number}"]
        assert (shown.title, shown.body, shown.status) == ("By an agent", "text", "open")
        assert shown.account is not None
        assert shown.account.name == "acme.example"
        assert not read.bad
        desk.change(number, Subject="Renamed")
        assert [one.title for one in await read.fresh()] == ["Renamed"]
        assert not await read.fresh()


async def test_a_wrong_password_is_told_to_the_owner(
    request_tracker: RequestTracker, tmp_path: Path
) -> None:
    async with reading(tmp_path, source(request_tracker), {"PASSWORD": "canary-wrong"}) as hub:
        found = await hub.state("AUTH_FAILED")
        assert "401" in found["lastError"]
        assert "canary-wrong" not in found["lastError"]


async def test_the_twin_answers_as_rt_does(
    request_tracker: RequestTracker, desk: Desk, queue: str
) -> None:
    asking = {"name": "Jane Doe", "email": "jane@acme.example"}
    kept, gone = (desk.open(one, one, Queue=queue, Requestor=asking["email"]) for one in "ab")
    desk.reply(kept, "answer")
    desk.delete(gone)
    twin = Twin(superuser=True)
    for one in "ab":
        twin.emit({"Subject": one, "text": one, "Queue": queue, "requestor": asking})
    twin.emit({"ticket": 1, "reply": "answer"})
    twin.emit({"ticket": 2, "Status": "deleted"})
    async with serve(twin.app) as url:
        theirs = await _answers(request_tracker.url, ("root", PASSWORD), kept, gone, queue)
        ours = await _answers(url, (twin.user, twin.password), 1, 2, queue)
    for asked, (status, body) in ours.items():
        assert status == theirs[asked][0], asked
        assert differences(body, theirs[asked][1]) == [], asked


async def _answers(
    url: str, way_in: tuple[str, str], kept: int, gone: int, queue: str
) -> dict[str, tuple[int, Any]]:
    user = "RealName,EmailAddress,Organization"
    fields = f"fields=Subject,Status,Priority,Created,Queue,Requestor,Owner&fields[Owner]={user}"
    fields += f"&fields[Requestor]={user}&fields[Queue]=Name"
    rows = "fields=Type,Created,Creator,ObjectId,Field,OldValue,NewValue&orderby=id&order=ASC"
    newest = rows.replace("ASC", "DESC")
    changes = "(Type = 'Create' OR Field = 'Status') AND id > 1"
    here = f"ObjectType = 'RT::Ticket' AND (ObjectId = {kept} OR ObjectId = {gone})"
    paths = {
        "tickets": f"/tickets?query={quote(f'id = {kept} OR id = {gone}')}&{fields}",
        "none": f"/tickets?query={quote('id = 99999999')}&{fields}",
        "ticket": f"/ticket/{gone}",
        "no ticket": "/ticket/99999999",
        "queue": f"/queue/{quote(queue, safe='')}",
        "rows": f"/transactions?query={quote(here)}&{rows}&per_page=100",
        "a page": f"/transactions?query={quote(here)}&{rows}&per_page=2",
        "newest": f"/transactions?query={quote(f'({here}) AND {changes}')}&{newest}&per_page=2",
        "no query": f"/transactions?query={quote('Nothing = 1')}",
        "half a query": f"/transactions?query={quote('id > 1 AND')}",
    }
    base = f"{url}/REST/2.0"
    async with httpx2.AsyncClient(
        base_url=base, auth=way_in, trust_env=False, timeout=60
    ) as client:
        found: dict[str, tuple[int, Any]] = {}
        for name, path in paths.items():
            answer = await client.get(path)
            found[name] = answer.status_code, answer.json()
        opened = [row["id"] for row in found["rows"][1]["items"] if row["Type"] == "Create"]
        wanted = [{"field": "TransactionId", "value": one} for one in opened]
        wanted += [{"field": "ContentType", "value": one} for one in ("text/plain", "text/html")]
        options = "fields=ContentType,TransactionId,Filename,Headers,Content&orderby=id&page=1"
        answer = await client.post(f"/attachments?{options}&per_page=100", json=wanted)
        found["texts"] = answer.status_code, answer.json()
        stranger = await client.get(paths["ticket"], auth=("root", "wrong"))
        found["stranger"] = stranger.status_code, stranger.json()
        return found
