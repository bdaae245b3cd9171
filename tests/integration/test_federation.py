"""The hub as a subgraph: what a company's router asks of it."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from sqlalchemy import event

from hub.graphql.federation import MOST
from tests.filled import filled
from tests.running import Running

ENTITIES = """
query Entities($of: [_Any!]!) {
  _entities(representations: $of) {
    __typename
    ... on Signal { id title }
    ... on Account { id called: name }
    ... on Person { id called: name }
  }
}
"""


@pytest.fixture
async def hub(database_url: str) -> AsyncGenerator[Running]:
    async with filled(database_url) as hub:
        yield hub


async def everything(hub: Running, role: str) -> list[dict[str, Any]]:
    """Name every signal, account and person that a role is shown."""
    query = "{ signals(first: 100) { edges { node { id account { id } author { id } } } } }"
    nodes = [one["node"] for one in (await hub.ask(query, role=role))["signals"]["edges"]]
    named = {("Signal", node["id"]) for node in nodes}
    for name, field in (("Account", "account"), ("Person", "author")):
        named |= {(name, node[field]["id"]) for node in nodes if node[field]}
    return [{"__typename": type_, "id": id_} for type_, id_ in sorted(named)]


async def test_the_service_tells_its_schema(hub: Running) -> None:
    sdl = (await hub.ask("{ _service { sdl } }", "admin"))["_service"]["sdl"]
    assert "federation/v2.9" in sdl
    for name in ("Signal", "Account", "Person"):
        assert f'type {name} implements Node @key(fields: "id")' in sdl


async def test_entities_come_in_the_order_asked_and_as_often(hub: Running) -> None:
    asked = await everything(hub, "sales")
    assert {one["__typename"] for one in asked} == {"Signal", "Account", "Person"}
    asked = [*reversed(asked), {"__typename": "Signal", "id": "nothing"}, *asked[:3]]
    found = (await hub.ask(ENTITIES, of=asked))["_entities"]
    shown = [one and {"__typename": one["__typename"], "id": one["id"]} for one in found]
    assert shown == [one if one["id"] != "nothing" else None for one in asked]


async def test_entities_are_those_that_the_viewer_may_see(hub: Running) -> None:
    all_of_them = await everything(hub, "admin")
    for role in ("sales", "support"):
        mine = await everything(hub, role)
        found = (await hub.ask(ENTITIES, role, of=all_of_them))["_entities"]
        assert [one for one in all_of_them if one in mine] == [
            {"__typename": one["__typename"], "id": one["id"]} for one in found if one
        ]
    assert len(await everything(hub, "sales")) < len(all_of_them)


async def test_many_entities_are_read_by_one_query_for_each_type(hub: Running) -> None:
    asked = await everything(hub, "admin")
    asked = [one for one in asked for _ in range(3)]
    said: list[str] = []
    engine = hub.app.state.runtime.store._read.sync_engine

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        said.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        await hub.ask(ENTITIES, role="admin", of=asked)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    for begins in (
        "signals.id, signals.source",
        "accounts.id, accounts.name",
        "people.id, people.name",
    ):
        assert sum(one.startswith(f"SELECT {begins}") for one in said) == 1, said


@pytest.mark.parametrize(
    ("representation", "code"),
    [
        ({"__typename": "Nope", "id": "1"}, "INVALID"),
        ({"__typename": "Source", "id": "source:crm"}, "INVALID"),
        ({"__typename": ["Signal"], "id": "1"}, "INVALID"),
        ({"__typename": "Signal"}, "INVALID"),
        ({"__typename": "Signal", "id": {"in": []}}, "INVALID"),
        ({"__typename": "Account", "id": True}, "INVALID"),
        ("Signal", "INVALID"),
        ([], "INVALID"),
    ],
)
async def test_what_names_no_entity_is_refused(
    hub: Running, representation: Any, code: str
) -> None:
    body = await hub.reply(ENTITIES, of=[representation])
    assert [one["extensions"]["code"] for one in body["errors"]] == [code]


async def test_there_is_a_most_and_it_is_told(hub: Running) -> None:
    body = await hub.reply(ENTITIES, of=[{"__typename": "Signal", "id": "1"}] * (MOST + 1))
    assert body["errors"][0]["extensions"] == {"code": "PAGE_TOO_LARGE", "limit": MOST}
    nothing = {"__typename": "Person", "id": "\0"}
    assert (await hub.ask(ENTITIES, of=[nothing]))["_entities"] == [None]
