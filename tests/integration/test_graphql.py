"""The GraphQL door over real HTTP, on both engines: everything that only reads."""

import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from tests.conftest import new_database
from tests.engines import Postgres
from tests.filled import CANARY, EVERYTHING, filled
from tests.running import ROLES, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgres"])
async def hub(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Running]:
    """Start one hub for the whole module: its tests only read."""
    if request.param == "sqlite":
        async with filled(f"sqlite:///{tmp_path_factory.mktemp('hub')}/hub.db") as hub:
            yield hub
        return
    server: Postgres = request.getfixturevalue("postgres")
    async with new_database(server) as url, filled(url) as hub:
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
    totalCount
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


@pytest.mark.parametrize("order", ["NEWEST", "OLDEST", "UPDATED", "SEVERITY"])
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
    assert (await hub.ask(FEED, of="sales", first=2))["feed"]["totalCount"] == len(whole)
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
    ({"families": ["DEAL", "RELEASE"]}, lambda n: n % 4 in {0, 2}),
    ({"families": ["GENERIC"]}, lambda _: False),
    ({"minSeverity": "LOW", "maxSeverity": "MEDIUM"}, lambda n: n % 5 in {1, 2}),
    ({"allLabels": ["odd", "x"]}, lambda n: n % 2 == 1),
    ({"allLabels": ["odd", "even"]}, lambda _: False),
    ({"allLabels": ["odd", "\0"]}, lambda _: False),
    ({"allLabels": []}, lambda _: True),
    ({"not": {"kinds": ["sales.*"], "labels": ["even"]}}, lambda n: n % 4 != 0),
    ({"or": [{"kinds": ["people.hire"]}, {"labels": ["even"]}]}, lambda n: n % 4 != 1),
    ({"or": []}, lambda _: False),
    ({"and": []}, lambda _: True),
    ({"or": [{}, {"kinds": []}]}, lambda _: True),
    ({"not": {}}, lambda _: False),
    (
        {"and": [{"not": {"or": [{"labels": ["even"]}]}}, {"maxSeverity": "INFO"}]},
        lambda n: n % 10 == 5,
    ),
    ({"sources": ["elsewhere"]}, lambda _: False),
]


@pytest.mark.parametrize(("given", "wanted"), FILTERS, ids=range(len(FILTERS)))
async def test_filters(hub: Running, given: dict[str, Any], wanted: Any) -> None:
    found = await walk(hub, PAGE, "signals", 50, back=False, order="OLDEST", filter=given)
    numbers = [int(title.split()[-1]) for title in found if CANARY not in title]
    assert sorted(numbers) == [number for number in range(60) if wanted(number)]


def deep(levels: int) -> dict[str, Any]:
    given: dict[str, Any] = {"labels": ["even"]}
    for _ in range(levels - 1):
        given = {"not": given}
    return given


FIFTY = [f"x.{number}.*" for number in range(50)]
TOO_MUCH: list[tuple[dict[str, Any], str, int]] = [
    (deep(9), "nests deeper than 8 levels", 8),
    (deep(15), "nests deeper than 8 levels", 8),
    ({"or": [{}] * 50}, "more than 50 filters", 50),
    ({"or": [{"and": [{}] * 9}] * 6}, "more than 50 filters", 50),
    ({"labels": ["x"] * 51}, "filter.labels has 51 values", 50),
    ({"not": {"allLabels": ["x"] * 51}}, "filter.allLabels has 51 values", 50),
    ({"families": ["DEAL"] * 51}, "filter.families has 51 values", 50),
    ({"or": [{"allLabels": FIFTY}] * 10 + [{"sources": ["x"]}]}, "more than 500 values", 500),
    ({"or": [{"kinds": FIFTY}] * 9, "labels": FIFTY, "text": "one more"}, "than 500 values", 500),
    ({"or": [{"families": ["GENERIC"]}] * 30}, "more than 500 values", 500),
]


@pytest.mark.parametrize(("given", "words", "limit"), TOO_MUCH, ids=range(len(TOO_MUCH)))
async def test_a_filter_that_is_too_much_says_the_limit(
    hub: Running, given: dict[str, Any], words: str, limit: int
) -> None:
    answer = await hub.reply(PAGE, order="NEWEST", filter=given)
    [error] = answer["errors"]
    assert words in error["message"]
    assert error["extensions"] == {"code": "INVALID", "limit": limit}


async def test_a_filter_may_have_as_many_values_as_the_limit(hub: Running) -> None:
    nine = {"or": [{"allLabels": FIFTY}] * 9}
    most = {"not": nine, "labels": [*FIFTY[:48], "even"], "text": "signal"}
    found = await hub.ask(PAGE, order="NEWEST", first=100, filter=most)
    assert len(found["signals"]["edges"]) == 30


async def test_a_filter_may_be_as_deep_as_the_limit(hub: Running) -> None:
    found = await hub.ask(PAGE, order="NEWEST", first=100, filter=deep(8))
    assert len(found["signals"]["edges"]) == 31  # an odd number of times not even, and a secret


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


async def test_a_record_that_cannot_be_is_refused(hub: Running) -> None:
    query = '{ source(name: "hub") { quarantine(after: "\\u0000") { id } } }'
    [error] = (await hub.reply(query, "admin"))["errors"]
    assert error["extensions"]["code"] == "BAD_CURSOR"


@pytest.mark.parametrize("role", ["sales", "community", "admin"])
async def test_changes_are_the_same_in_pages_of_any_size(hub: Running, role: str) -> None:
    query = """query Q($first: Int!, $after: String) { changes(first: $first, after: $after) {
        edges { node { seq } } pageInfo { hasNextPage endCursor } } }"""
    found: dict[int, list[int]] = {}
    for size in (1, 7, 100):
        found[size], after = [], None
        while True:
            page = (await hub.ask(query, role=role, first=size, after=after))["changes"]
            found[size] += [edge["node"]["seq"] for edge in page["edges"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
    assert found[1] == found[7] == found[100]
    assert found[100] == sorted(set(found[100]))
    assert len(found[100]) >= (61 if role == "sales" else 1)


async def test_a_cursor_of_another_list_is_refused(hub: Running) -> None:
    query = "{ signals(first: 1) { edges { cursor } resumeFrom } }"
    found = (await hub.ask(query))["signals"]
    for cursor in (found["edges"][0]["cursor"], found["resumeFrom"]):
        answer = await hub.reply(FEED, of="sales", after=cursor)
        assert answer["errors"][0]["extensions"]["code"] == "BAD_CURSOR"


LISTS = """query Lists($search: String) {
  accounts(first: 100) { edges { node { id name } } }
  found: accounts(search: $search) { edges { node { id name } } }
  people(first: 100) { edges { node { id name } } }
  signals { totalCount }
  kinds: signalStats(groupBy: [KIND]) { count kind }
  names: signalStats(groupBy: [ACCOUNT]) { count account { name } }
}"""


@pytest.mark.parametrize("role", ROLES)
async def test_nothing_of_what_a_role_may_not_see_leaves_the_hub(hub: Running, role: str) -> None:
    sees_deal = role in {"sales", "executive"}
    sees_departure = role == "executive"
    body = await hub.reply(EVERYTHING, role=role, of=role)
    if not (sees_deal or sees_departure):
        assert CANARY not in json.dumps(body)
    titles = {edge["node"]["title"] for edge in body["data"]["signals"]["edges"]}
    assert (f"{CANARY} 900" in titles) == sees_deal
    assert f"{CANARY} 901" not in titles
    assert (f"{CANARY} 902" in titles) == sees_departure
    [own] = [source for source in body["data"]["sources"] if source["name"] == "hub"]
    assert own["signals"] == len(titles), "a count counts only what may be seen"

    told = await hub.reply(LISTS, role=role, search=CANARY)
    assert "errors" not in told
    if not (sees_deal or sees_departure):
        assert CANARY not in json.dumps(told)
    for names in (told["data"]["accounts"], told["data"]["people"], told["data"]["found"]):
        assert any(CANARY in edge["node"]["name"] for edge in names["edges"]) == (
            sees_deal or sees_departure
        )
    assert told["data"]["signals"]["totalCount"] == len(titles)
    for counted in ("kinds", "names"):
        assert sum(bucket["count"] for bucket in told["data"][counted]) == len(titles)

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


async def test_only_admins_sync_and_only_what_there_is(hub: Running) -> None:
    query = """mutation { syncSource(name: "x") { __typename
               ... on NotFound { message } ... on Forbidden { message } } }"""
    assert (await hub.ask(query))["syncSource"]["__typename"] == "Forbidden"
    assert (await hub.ask(query, role="admin"))["syncSource"]["__typename"] == "NotFound"


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


SEARCH = """query Q($search: String, $filter: SignalFilter, $order: SignalOrder!) {
  signals(search: $search, filter: $filter, orderBy: $order, first: 100) {
    edges { node { title } }
  }
}"""


@pytest.mark.parametrize("order", ["RELEVANCE", "NEWEST"])
async def test_a_search_finds_only_what_may_be_seen(hub: Running, order: str) -> None:
    for role in ("support", "admin"):
        seen = await hub.ask(SEARCH, role=role, order="NEWEST")
        titles = {edge["node"]["title"] for edge in seen["signals"]["edges"]}
        found = await hub.ask(SEARCH, role=role, search=CANARY, order=order)
        assert {edge["node"]["title"] for edge in found["signals"]["edges"]} == {
            title for title in titles if CANARY in title
        }
        filtered = await hub.ask(SEARCH, role=role, filter={"text": CANARY}, order="OLDEST")
        assert len(filtered["signals"]["edges"]) == len(found["signals"]["edges"])


async def test_a_search_that_cannot_be_is_refused(hub: Running) -> None:
    wrong: list[dict[str, Any]] = [
        {"search": "x" * 10_000}, {"search": "!"}, {"filter": {"text": ""}}, {},
    ]  # fmt: skip
    for given in wrong:
        answer = await hub.reply(SEARCH, order="RELEVANCE", **given)
        assert answer["errors"][0]["extensions"]["code"] == "INVALID"


NAMES = """query Q($search: String, $after: String, $first: Int, $before: String, $last: Int) {
  FIELD(search: $search, after: $after, first: $first, before: $before, last: $last) {
    totalCount edges { cursor node { id name } }
    pageInfo { hasNextPage endCursor hasPreviousPage startCursor }
  }
}"""


async def walk_names(hub: Running, field: str, size: int, *, back: bool) -> list[str]:
    query = NAMES.replace("FIELD", field)
    found: list[str] = []
    cursor: str | None = None
    while True:
        part: dict[str, Any] = (
            {"last": size, "before": cursor} if back else {"first": size, "after": cursor}
        )
        page = (await hub.ask(query, role="admin", **part))[field]
        given = [edge["node"]["name"] for edge in page["edges"]]
        found = given + found if back else found + given
        info = page["pageInfo"]
        if not info["hasPreviousPage" if back else "hasNextPage"]:
            assert page["totalCount"] == len(found)
            return found
        cursor = info["startCursor" if back else "endCursor"]


@pytest.mark.parametrize("field", ["accounts", "people"])
async def test_accounts_and_people_are_paged_by_name_both_ways(hub: Running, field: str) -> None:
    whole = await walk_names(hub, field, 100, back=False)
    assert len(whole) == len(set(whole)) > 1
    for size in (1, 2):
        assert await walk_names(hub, field, size, back=False) == whole
        assert await walk_names(hub, field, size, back=True) == whole


async def test_accounts_are_found_by_the_beginnings_of_their_names(hub: Running) -> None:
    query = NAMES.replace("FIELD", "accounts")
    seen = (await hub.ask(query, role="admin", first=100))["accounts"]["edges"]
    names = [edge["node"]["name"] for edge in seen]
    begin = names[0][:4]
    found = (await hub.ask(query, role="admin", search=begin.upper(), first=1))["accounts"]
    like = [one for one in names if any(word.startswith(begin) for word in one.split())]
    assert [edge["node"]["name"] for edge in found["edges"]] == like[:1]
    assert found["totalCount"] == len(like)
    one = seen[0]["node"]
    query = "query Q($id: ID!) { account(id: $id) { name } person(id: $id) { name } }"
    told = await hub.ask(query, role="admin", id=one["id"])
    assert told == {"account": {"name": one["name"]}, "person": None}
    people = await hub.ask('{ people(search: "nobody-of-the-sort") { edges { cursor } } }')
    assert people == {"people": {"edges": []}}
