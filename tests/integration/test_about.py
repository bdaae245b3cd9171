"""One customer across departments, one person: their signals, paged and counted, at once."""

from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import event

from tests.conftest import new_database
from tests.engines import Postgres
from tests.filled import CANARY, filled
from tests.running import ROLES, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgres"])
async def hub(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Running]:
    """Start one hub for the whole module: its tests only read."""
    if request.param == "sqlite":
        async with filled(f"sqlite:///{tmp_path_factory.mktemp('about')}/hub.db") as hub:
            yield hub
        return
    server: Postgres = request.getfixturevalue("postgres")
    async with new_database(server) as url, filled(url) as hub:
        yield hub


ALL = """{ signals(first: 100) { edges { node {
  id department occurredAt account { id name } author { id } owner { id } } } } }"""
PAGES = """query Q($oldest: Boolean! = false, $first: Int, $after: String, $last: Int,
                   $before: String, $filter: SignalFilter) {
  accounts(first: 4) { edges { node { id name departments(filter: $filter) { department count }
    signals(oldestFirst: $oldest, first: $first, after: $after, last: $last, before: $before,
            filter: $filter) { totalCount edges { node { id account { id } } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } } }
  people(first: 4) { edges { node { id
    signals(oldestFirst: $oldest, first: $first, after: $after, last: $last, before: $before,
            filter: $filter) { totalCount edges { node { id } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } } } }"""
NARROWED: dict[str, Any] = {"minSeverity": "MEDIUM", "labels": ["even"]}


def in_order(signals: list[Any], *, oldest: bool) -> list[str]:
    by_time = sorted(signals, key=lambda one: (one["occurredAt"], one["id"]), reverse=not oldest)
    return [one["id"] for one in by_time]


@pytest.mark.parametrize("role", ["sales", "community", "admin"])
@pytest.mark.parametrize("oldest", [False, True])
async def test_the_signals_of_each_are_those_that_name_them(
    hub: Running, role: str, oldest: bool
) -> None:
    every = [edge["node"] for edge in (await hub.ask(ALL, role))["signals"]["edges"]]
    found = await hub.ask(PAGES, role, oldest=oldest, first=100)
    assert len(found["accounts"]["edges"]) == len(
        {one["account"]["id"] for one in every if one["account"]}
    )
    for edge in found["accounts"]["edges"]:
        account = edge["node"]
        own = [one for one in every if one["account"] and one["account"]["id"] == account["id"]]
        assert [one["node"]["id"] for one in account["signals"]["edges"]] == in_order(
            own, oldest=oldest
        )
        assert account["signals"]["totalCount"] == len(own) > 0
        counted = {one["department"]: one["count"] for one in account["departments"]}
        assert counted == Counter(one["department"] for one in own)
    assert found["people"]["edges"]
    for edge in found["people"]["edges"]:
        person = edge["node"]
        named = [one for one in every if person["id"] in {one["author"]["id"], owner_of(one)}]
        assert [one["node"]["id"] for one in person["signals"]["edges"]] == in_order(
            named, oldest=oldest
        )
        assert person["signals"]["totalCount"] == len(named) > 0


def owner_of(signal: Any) -> str | None:
    owner: str | None = signal["owner"] and signal["owner"]["id"]
    return owner


@pytest.mark.parametrize("oldest", [False, True])
@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("field", ["account", "person"])
async def test_they_are_paged_both_ways(hub: Running, oldest: bool, back: bool, field: str) -> None:
    of = "accounts" if field == "account" else "people"
    edges = (await hub.ask(PAGES, oldest=oldest, first=100, filter=NARROWED))[of]["edges"]
    first = max((edge["node"] for edge in edges), key=lambda one: one["signals"]["totalCount"])
    whole = [edge["node"]["id"] for edge in first["signals"]["edges"]]
    head = PAGES[: PAGES.index("accounts(")]
    body = PAGES[PAGES.rindex("signals(") : PAGES.rindex("} } } }")].replace("totalCount", "")
    query = f'{head} {field}(id: "{first["id"]}") {{ {body} }} }}'
    found: list[str] = []
    cursor: str | None = None
    for _ in range(len(whole)):
        part: dict[str, Any] = (
            {"last": 3, "before": cursor} if back else {"first": 3, "after": cursor}
        )
        page = (await hub.ask(query, oldest=oldest, filter=NARROWED, **part))[field]["signals"]
        given = [edge["node"]["id"] for edge in page["edges"]]
        found = given + found if back else found + given
        cursor = page["pageInfo"]["startCursor" if back else "endCursor"]
        if not page["pageInfo"]["hasPreviousPage" if back else "hasNextPage"]:
            break
    assert len(whole) > 3
    assert found == whole


@contextmanager
def counted(hub: Running) -> Generator[list[str]]:
    """Collect the statements that the hub sends meanwhile."""
    said: list[str] = []
    engine = hub.app.state.runtime.store._read.sync_engine

    def heard(_: Any, __: Any, statement: str, *___: Any) -> None:
        said.append(statement)

    event.listen(engine, "before_cursor_execute", heard)
    try:
        yield said
    finally:
        event.remove(engine, "before_cursor_execute", heard)


async def test_as_many_statements_for_one_account_as_for_all(hub: Running) -> None:
    query = PAGES[: PAGES.index("  people(")] + "}"

    async def needed(accounts: int) -> list[str]:
        """Ask thrice: what the hub asks by itself, for new changes or who a key is, only adds."""
        asked = []
        for _ in range(3):
            with counted(hub) as said:
                answer = await hub.ask(query.replace("4", str(accounts)), "admin", first=2)
            assert len(answer["accounts"]["edges"]) == accounts
            asked.append(said)
        return min(asked, key=len)

    # The page of accounts; of their signals the page, the count, and the log's head.
    one, all_ = await needed(1), await needed(4)
    assert 4 <= len(one) == len(all_) <= 6, all_


async def test_nobody_learns_of_what_he_may_not_see(hub: Running) -> None:
    for role in ROLES:
        told = str(await hub.ask(PAGES, role, first=100))
        assert (CANARY in told) is (role in {"sales", "executive"}), role
    secret = (await hub.ask('{ accounts(search: "Canary") { edges { node { id } } } }', "admin"))[
        "accounts"
    ]["edges"][0]["node"]["id"]
    for role in ("support", "community"):
        query = f'{{ account(id: "{secret}") {{ departments {{ count }} }} }}'
        assert (await hub.ask(query, role))["account"] is None
