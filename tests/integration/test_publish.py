"""What people publish, and what a change tells to whom."""

import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest

from hub.connector import AccountRef, Draft, Page
from hub.ingest import Reading, ingest
from hub.signals import Classification
from tests.filled import CANARY, EVERYTHING, T0, draft, filled
from tests.running import Running


@pytest.fixture
async def hub(database_url: str) -> AsyncGenerator[Running]:
    async with filled(database_url) as hub:
        yield hub


PUBLISH = """
mutation Publish($input: PublishSignalInput!) {
  publishSignal(input: $input) {
    __typename
    ... on PublishSignalSuccess { signal { id kind title origin author { name } status
                                           history { edges { node { type } } } } }
    ... on InvalidInput { code message field }
    ... on Forbidden { code message }
  }
}
"""


async def test_people_publish_and_change_what_they_published(hub: Running) -> None:
    given = {"kind": "team.need", "title": "A demo room", "askedOf": ["support"], "key": "room"}
    first = (await hub.ask(PUBLISH, input=given))["publishSignal"]["signal"]
    assert (first["origin"], first["status"]) == ("PERSON", "OPEN")
    again = await hub.ask(PUBLISH, input={**given, "title": "A larger demo room"})
    second = again["publishSignal"]["signal"]
    assert second["id"] == first["id"]
    assert [edge["node"]["type"] for edge in second["history"]["edges"]] == ["CREATED", "UPDATED"]
    asked = '{ feed(role: "support") { edges { reasons { name } node { title } } } }'
    edges = (await hub.ask(asked, role="support"))["feed"]["edges"]
    [mine] = [edge for edge in edges if edge["node"]["title"] == "A larger demo room"]
    assert "addressed" in {reason["name"] for reason in mine["reasons"]}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "sales.deal.won"}, "kind"),
        ({"kind": "nonsense"}, "kind"),
        ({"title": "  "}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"body": "x" * 100_001}, "body"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"attributes": [1]}, "attributes"),
        ({"kind": "goal.sales", "attributes": {"target": "much"}}, "attributes.target"),
        ({"askedOf": ["nobody"]}, "askedOf"),
    ],
)
async def test_what_cannot_be_published_is_a_typed_result(
    hub: Running, changes: dict[str, Any], field: str
) -> None:
    given = {"kind": "team.idea", "title": "An idea", **changes}
    result = (await hub.ask(PUBLISH, input=given))["publishSignal"]
    assert (result["__typename"], result["field"]) == ("InvalidInput", field)


CHANGES = """
{ changes(first: 100) { edges { node { title revision kind signal { title } } } }
  signals(first: 50) { edges { node { title
    history { edges { node { title type kind } } } } } } }
"""


async def put(hub: Running, *drafts: Draft) -> None:
    runtime = hub.app.state.runtime
    await ingest(runtime.store, Reading("hub"), Page(list(drafts), {}), runtime.snapshot.plan)


def release(number: int, revision: int, **changes: Any) -> Draft:
    at = T0 + timedelta(hours=revision)
    given = {"kind": "product.release", "revision": str(revision), "revised_at": at, **changes}
    return draft(number, **given)


async def test_what_became_secret_does_not_show_what_it_became(hub: Running) -> None:
    secret = Classification.RESTRICTED
    await put(hub, release(950, 1, title="Open"))
    await put(
        hub, release(950, 2, title=f"{CANARY} now", kind="people.hire", classification=secret)
    )
    body = await hub.reply(CHANGES, role="support")
    assert CANARY not in json.dumps(body)
    lines = [edge["node"] for edge in body["data"]["changes"]["edges"]][-2:]
    # That it changed is told to those who knew it; what it said is closed to them from now on.
    assert [(it["kind"], it["title"], it["signal"]) for it in lines] == [
        ("product.release", None, None)
    ] * 2


async def test_what_was_secret_once_stays_so_in_the_history(hub: Running) -> None:
    secret = Classification.RESTRICTED
    await put(hub, release(951, 1, title=f"{CANARY} first", classification=secret))
    await put(hub, release(951, 3, title="Open now"))
    await put(hub, release(951, 2, title=f"{CANARY} late", classification=secret))
    body = await hub.reply(CHANGES, role="support")
    assert CANARY not in json.dumps(body)
    assert "Open now" in json.dumps(body)


async def test_a_secret_signal_names_no_account_for_others(hub: Running) -> None:
    restricted = release(
        952,
        1,
        classification=Classification.RESTRICTED,
        account=AccountRef(name=f"Initech - {CANARY}", domain="initech.example"),
    )
    account = AccountRef(name="Initech", domain="initech.example")
    await put(hub, restricted, release(953, 1, account=account))
    assert CANARY not in json.dumps(await hub.reply(EVERYTHING, role="support", of="support"))


DETAILS = """
query Details($id: ID!) {
  signal(id: $id) {
    attributes
    details {
      __typename
      ... on Goal { name target value reached dueAt }
      ... on Need { askedOf dueAt }
      ... on Deal { amount channel }
    }
  }
}
"""


async def test_details_are_the_attributes_with_types(hub: Running) -> None:
    said = {"target": "1200.5", "due_at": "2026-12-31T00:00:00+01:00", "own": {"x": [1]}}
    given = {"kind": "goal.sales", "title": "A goal", "attributes": said}
    published = (await hub.ask(PUBLISH, input=given))["publishSignal"]["signal"]
    shown = (await hub.ask(DETAILS, id=published["id"]))["signal"]
    assert shown["attributes"] == said
    assert shown["details"] == {
        "__typename": "Goal",
        "name": None,
        "target": 1200.5,
        "value": None,
        "reached": None,
        "dueAt": "2026-12-30T23:00:00+00:00",
    }


async def test_what_a_source_gave_in_another_form_fails_no_query(hub: Running) -> None:
    said = {"amount": {"value": 1}, "source": "fair"}
    odd = draft(5000, kind="sales.deal.won", attributes=said)
    custom = draft(5001, kind="acme.custom.thing", attributes={"amount": 1})
    runtime = hub.app.state.runtime
    page = Page([odd, custom], {})
    done = await ingest(runtime.store, Reading("hub"), page, runtime.snapshot.plan)
    shown = [(await hub.ask(DETAILS, id=one.id))["signal"] for one in done.signals]
    assert {"__typename": "Deal", "amount": None, "channel": "fair"} in [
        one["details"] for one in shown
    ]
    assert None in [one["details"] for one in shown]
    assert said in [one["attributes"] for one in shown]
