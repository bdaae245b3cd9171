"""The GraphQL door over real HTTP, on both engines."""

import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.config import read_config
from hub.connector import AccountRef, Draft, Page, PersonRef
from hub.ingest import Plan, Reading, ingest
from hub.route import Router
from hub.signals import Classification, Severity
from hub.store import open_store
from hub.store.migrate import migrate
from tests.running import ROLES, Running, running

T0 = datetime(2026, 11, 2, 9, tzinfo=UTC)
KINDS = ("sales.deal.won", "support.ticket.opened", "product.release", "people.hire")
CANARY = "Canary-7c1f"


def draft(number: int, **changes: Any) -> Draft:
    at = T0 + timedelta(minutes=number // 2)  # pairs share a time: ties are part of the test
    given: dict[str, Any] = {
        "kind": KINDS[number % len(KINDS)],
        "external_id": str(number),
        "revision": "1",
        "revised_at": at,
        "occurred_at": at,
        "title": f"Signal {number:03}",
        "severity": Severity(number % 5),
        "labels": ("even",) if number % 2 == 0 else ("odd", "x"),
        "account": AccountRef(name=f"Account {number % 3}"),
        "author": PersonRef(name="Jane Doe", email="jane@us.example"),
    }
    return Draft(**(given | changes))


SECRETS = [
    draft(900, kind="sales.deal.won", classification=Classification.CONFIDENTIAL),
    draft(901, kind="people.hire", classification=Classification.RESTRICTED),
    draft(902, kind="people.departure"),
]


@pytest.fixture
async def hub(database_url: str) -> AsyncGenerator[Running]:
    plan = Plan(Router(read_config("", {}).roles))
    async with open_store(database_url) as store:
        await migrate(store)
        for start in range(0, 60, 20):
            drafts = [draft(number) for number in range(start, start + 20)]
            await ingest(store, Reading("hub"), Page(drafts, {}), plan)
        secret = [
            one.model_copy(
                update={
                    "title": f"{CANARY} {one.external_id}",
                    "account": AccountRef(name=f"{CANARY} Account"),
                    "author": PersonRef(name=f"{CANARY} Person"),
                    "labels": (f"{CANARY} label",),
                }
            )
            for one in SECRETS
        ]
        await ingest(store, Reading("hub"), Page(secret, {}), plan)
    async with running(database_url) as hub:
        yield hub


PAGE = """
query Page($first: Int, $after: String, $last: Int, $before: String, $order: SignalOrder!,
           $filter: SignalFilter) {
  signals(first: $first, after: $after, last: $last, before: $before, orderBy: $order,
          filter: $filter) {
    edges { cursor node { title } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
FEED = """
query Feed($of: String!, $first: Int, $after: String, $last: Int, $before: String) {
  feed(role: $of, first: $first, after: $after, last: $last, before: $before, minScore: 0) {
    edges { cursor score node { title occurredAt } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""


async def walk(
    hub: Running, query: str, field: str, size: int, *, back: bool, **variables: Any
) -> list[str]:
    """Read a whole list page by page, forward or backward, and give its titles in order."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        part: dict[str, Any] = (
            {"last": size, "before": cursor} if back else {"first": size, "after": cursor}
        )
        page = (await hub.ask(query, **variables, **part))[field]
        titles = [edge["node"]["title"] for edge in page["edges"]]
        assert len(titles) <= size
        found = titles + found if back else found + titles
        info = page["pageInfo"]
        if not info["hasPreviousPage" if back else "hasNextPage"]:
            return found
        cursor = info["startCursor" if back else "endCursor"]


@pytest.mark.parametrize("order", ["NEWEST", "OLDEST", "UPDATED"])
async def test_paging_gives_each_signal_once_in_both_directions(hub: Running, order: str) -> None:
    whole = await walk(hub, PAGE, "signals", 100, back=False, order=order)
    assert len(whole) == len(set(whole)) == 61  # 60 and the one confidential deal sales may see
    for size in (1, 7, 61):
        assert await walk(hub, PAGE, "signals", size, back=False, order=order) == whole
        assert await walk(hub, PAGE, "signals", size, back=True, order=order) == whole


async def test_a_feed_pages_by_day_then_score_then_newest(hub: Running) -> None:
    whole = await walk(hub, FEED, "feed", 100, back=False, of="sales")
    assert await walk(hub, FEED, "feed", 4, back=False, of="sales") == whole
    assert await walk(hub, FEED, "feed", 4, back=True, of="sales") == whole
    edges = (await hub.ask(FEED, of="sales", first=100))["feed"]["edges"]
    order = [(edge["node"]["occurredAt"][:10], edge["score"]) for edge in edges]
    assert order == sorted(order, reverse=True)


FILTERS: list[tuple[dict[str, Any], Any]] = [
    ({"kinds": ["sales.*"]}, lambda n: n % 4 == 0),
    ({"kinds": ["sales.deal.won", "people.hire"]}, lambda n: n % 4 in {0, 3}),
    ({"departments": ["SUPPORT", "PRODUCT"]}, lambda n: n % 4 in {1, 2}),
    ({"labels": ["odd"]}, lambda n: n % 2 == 1),
    ({"minSeverity": "HIGH"}, lambda n: n % 5 >= 3),
    ({"occurredAfter": "2026-11-02T09:10:00Z"}, lambda n: n // 2 >= 10),
    ({"occurredBefore": "2026-11-02T10:10:00+01:00"}, lambda n: n // 2 < 10),
    ({"kinds": ["*"], "labels": ["even"], "minSeverity": "CRITICAL"}, lambda n: n % 10 == 4),
    ({"kinds": []}, lambda _: False),
    ({"sources": ["elsewhere"]}, lambda _: False),
]


@pytest.mark.parametrize(("given", "wanted"), FILTERS, ids=range(len(FILTERS)))
async def test_filters(hub: Running, given: dict[str, Any], wanted: Any) -> None:
    found = await walk(hub, PAGE, "signals", 50, back=False, order="OLDEST", filter=given)
    numbers = [int(title.split()[-1]) for title in found if CANARY not in title]
    assert sorted(numbers) == [number for number in range(60) if wanted(number)]


async def test_one_accounts_signals(hub: Running) -> None:
    query = "{ signals(first: 1) { edges { node { account { id name } } } } }"
    account = (await hub.ask(query))["signals"]["edges"][0]["node"]["account"]
    found = await hub.ask(PAGE, order="NEWEST", first=100, filter={"accounts": [account["id"]]})
    assert len(found["signals"]["edges"]) == 20 or CANARY in account["name"]
    node = "query Q($id: ID!) { node(id: $id) { __typename id ... on Account { name } } }"
    again = (await hub.ask(node, id=account["id"]))["node"]
    assert again == {"__typename": "Account", **account}


REFUSED: list[tuple[str, str, str]] = [
    ("{ signals(first: 10000) { edges { cursor } } }", "PAGE_TOO_LARGE", "at most 100"),
    ("{ signals(first: 0) { edges { cursor } } }", "INVALID", "at least 1"),
    ("{ signals(first: -5) { edges { cursor } } }", "INVALID", "at least 1"),
    ("{ signals(first: 1, last: 1) { edges { cursor } } }", "INVALID", "not both"),
    ('{ signals(after: "") { edges { cursor } } }', "BAD_CURSOR", "not one of this list"),
    ('{ signals(after: "WyJ4Il0") { edges { cursor } } }', "BAD_CURSOR", "not one"),
    ('{ signals(after: "ünï") { edges { cursor } } }', "BAD_CURSOR", "not one"),
    ('{ signals(after: "bnVsbA") { edges { cursor } } }', "BAD_CURSOR", "not one"),
    ('{ changes(after: "' + "W" * 5000 + '") { edges { cursor } } }', "BAD_CURSOR", "not one"),
    ('{ feed(role: "support") { edges { cursor } } }', "NOT_FOUND", "Yours are: sales"),
    ('{ feed(role: "nobody") { edges { cursor } } }', "NOT_FOUND", "Yours are: sales"),
    ('{ feed(role: "sales", minScore: 2) { edges { cursor } } }', "INVALID", "between 0 and 1"),
    ('{ decisions(signal: "nothing") { role } }', "NOT_FOUND", "no signal"),
    ("{ signals { edges { nonsense } } }", "VALIDATION", "Cannot query field 'nonsense'"),
    ("{ signals {", "SYNTAX", "Syntax Error"),
    ("query Q($x: Int!) { signals(first: $x) { edges { cursor } } }", "VALIDATION", "$x"),
]


@pytest.mark.parametrize(("query", "code", "words"), REFUSED)
async def test_refusals_say_what_to_do(hub: Running, query: str, code: str, words: str) -> None:
    answer = await hub.reply(query)
    [error] = answer["errors"]
    assert error["extensions"]["code"] == code
    assert words in error["message"]
    assert "Traceback" not in json.dumps(answer)


async def test_a_cursor_of_another_list_is_refused(hub: Running) -> None:
    query = "{ signals(first: 1) { edges { cursor } resumeFrom } }"
    found = (await hub.ask(query))["signals"]
    for cursor in (found["edges"][0]["cursor"], found["resumeFrom"]):
        answer = await hub.reply(FEED, of="sales", after=cursor)
        assert answer["errors"][0]["extensions"]["code"] == "BAD_CURSOR"


EVERYTHING = """
query Everything($of: String!) {
  viewer { name roles }
  signals(first: 100) { edges { node { id title labels account { id name } author { id name } } } }
  feed(role: $of, first: 100, minScore: 0) { edges { node { id title } reasons { evidence } } }
  changes(first: 100) { edges { node { signalId title signal { title } } } }
  sources { name signals }
}
"""


@pytest.mark.parametrize("role", ROLES)
async def test_nothing_of_what_a_role_may_not_see_leaves_the_hub(hub: Running, role: str) -> None:
    rules = read_config("", {}).roles[role].sees
    sees_deal = rules.classification >= Classification.CONFIDENTIAL
    sees_departure = "people.departure" not in rules.except_kinds
    body = await hub.reply(EVERYTHING, role=role, of=role)
    if not (sees_deal or sees_departure):
        assert CANARY not in json.dumps(body)
    titles = {edge["node"]["title"] for edge in body["data"]["signals"]["edges"]}
    assert (f"{CANARY} 900" in titles) == sees_deal
    assert f"{CANARY} 901" not in titles
    assert (f"{CANARY} 902" in titles) == sees_departure
    [own] = [source for source in body["data"]["sources"] if source["name"] == "hub"]
    assert own["signals"] == len(titles), "a count counts only what may be seen"

    # What it may not see is, by any id, as if it did not exist.
    every = await hub.ask("{ changes(first: 100) { edges { node { signalId } } } }", role="admin")
    asked = [edge["node"]["signalId"] for edge in every["changes"]["edges"]]
    query = "query Q($ids: [ID!]!) { nodes(ids: $ids) { id ... on Signal { title } } }"
    nodes = (await hub.ask(query, role=role, ids=asked))["nodes"]
    assert {node["title"] for node in nodes if node} == titles & {
        node["title"] for node in nodes if node
    }


async def test_admins_see_all_but_what_is_restricted(hub: Running) -> None:
    answer = await hub.ask("{ signals(first: 100) { edges { node { title } } } }", role="admin")
    titles = {edge["node"]["title"] for edge in answer["signals"]["edges"]}
    assert {f"{CANARY} 900", f"{CANARY} 902"} <= titles
    assert f"{CANARY} 901" not in titles


async def test_decisions_say_why_and_why_not(hub: Running) -> None:
    deals = {"kinds": ["sales.*"]}
    found = await hub.ask(PAGE.replace("title", "id"), order="OLDEST", first=1, filter=deals)
    signal = found["signals"]["edges"][0]["node"]["id"]
    query = "query Q($id: ID!) { decisions(signal: $id) { role text relevance { score outcome } } }"
    own = (await hub.ask(query, id=signal))["decisions"]
    assert [one["role"] for one in own] == ["sales"]
    every = {one["role"]: one for one in (await hub.ask(query, "admin", id=signal))["decisions"]}
    assert set(every) == set(ROLES)
    assert every["community"]["relevance"]["outcome"] == "NOT_PERMITTED"
    assert "may not see it" in every["community"]["text"]


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
        ({"askedOf": ["nobody"]}, "askedOf"),
    ],
)
async def test_what_cannot_be_published_is_a_typed_result(
    hub: Running, changes: dict[str, Any], field: str
) -> None:
    given = {"kind": "team.idea", "title": "An idea", **changes}
    result = (await hub.ask(PUBLISH, input=given))["publishSignal"]
    assert (result["__typename"], result["field"]) == ("InvalidInput", field)


async def test_only_admins_sync_and_only_what_there_is(hub: Running) -> None:
    query = """mutation { syncSource(name: "x") { __typename
               ... on NotFound { message } ... on Forbidden { message } } }"""
    assert (await hub.ask(query))["syncSource"]["__typename"] == "Forbidden"
    assert (await hub.ask(query, role="admin"))["syncSource"]["__typename"] == "NotFound"


CHANGES = """
{ changes(first: 100) { edges { node { title revision kind signal { title } } } }
  signals(first: 100) { edges { node { title
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
    body = json.dumps(await hub.reply(CHANGES, role="support"))
    assert CANARY not in body
    assert "Open" in body, "that it changed is told to those who knew it"


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


async def test_input_that_no_database_takes_is_refused_or_found_nowhere(hub: Running) -> None:
    nul = await hub.ask(
        "query Q($id: ID!) { signal(id: $id) { id } node(id: $id) { id } }", id="\0"
    )
    assert nul == {"signal": None, "node": None}
    for given in ({"labels": ["\0"]}, {"sources": ["a\0"]}):
        found = await hub.ask(PAGE, order="NEWEST", filter=given)
        assert found["signals"]["edges"] == []
    early = {"occurredAfter": "0001-01-01T00:00:00+14:00"}
    answer = await hub.reply(PAGE, order="NEWEST", filter=early)
    assert answer["errors"][0]["extensions"]["code"] == "INVALID"
    for forged in (["feed:sales", 2**40, 0.5, 1], ["feed:sales", 1, 0.5, 2**70]):
        cursor = urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")
        answer = await hub.reply(FEED, of="sales", after=cursor)
        assert answer["errors"][0]["extensions"]["code"] == "BAD_CURSOR"
