"""What administrators do is written down with the act, and the database lets nobody change it."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from hub.signals import Viewer, now
from hub.store import Store, open_store
from hub.store.audit import Act, actor_of, entries, record
from hub.store.keys import add_key, new_key, revoke
from tests.running import Running, running

MAKE = """
mutation Make($input: CreateKeyInput!) {
  createKey(input: $input) {
    __typename
    ... on CreateKeySuccess { secret key { id name prefix roles scopes person expiresAt } }
    ... on InvalidInput { code message field }
    ... on Forbidden { code message }
  }
}
"""
REVOKE = """
mutation Revoke($id: ID!) {
  revokeKey(id: $id) {
    __typename
    ... on RevokeKeySuccess { key { id revokedAt } }
    ... on NotFound { code }
    ... on Forbidden { code }
  }
}
"""
AUDIT = """
query Audit($first: Int, $after: String, $last: Int, $before: String) {
  audit(first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { id at actor via act subject before after } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""


COPY = "INTO audit (id, at, actor, via, act) SELECT id, at, 'me', via, act FROM audit"


@pytest.fixture
async def store(database_url: str) -> AsyncGenerator[Store]:
    async with open_store(database_url) as store:
        yield store


@pytest.fixture
async def hub(database_url: str) -> AsyncGenerator[Running]:
    async with running(database_url) as hub:
        yield hub


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'somebody else'",
        "DELETE FROM audit",
        f"INSERT OR REPLACE {COPY}",
        "TRUNCATE audit",
        f"INSERT {COPY} WHERE true ON CONFLICT (id) DO UPDATE SET actor = 'me'",
    ],
)
async def test_the_database_refuses_to_change_the_audit(store: Store, statement: str) -> None:
    only = {"INSERT OR": True, "TRUNCATE": False}
    for start, sqlite in only.items():
        if statement.startswith(start) and sqlite is not store.is_sqlite:
            return  # the other engine's words
    key = new_key()
    async with store.write() as connection:
        await add_key(connection, key, name="me", roles=["sales"], at=now())
    with pytest.raises(DBAPIError, match="only appended to"):
        async with store.write() as connection:
            await connection.execute(text(statement))
    async with store.read() as connection:
        [one] = await entries(connection, limit=10)
    assert one.act is Act.KEY_CREATED
    assert "a program by" in one.actor


async def test_an_act_that_fails_is_not_in_the_audit(store: Store) -> None:
    async def fail() -> None:
        async with store.write() as connection:
            await add_key(connection, new_key(), name="me", roles=["sales"], at=now())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with store.read() as connection:
        assert await entries(connection, limit=10) == []


async def test_a_key_that_was_made_and_revoked(store: Store) -> None:
    key, boss = new_key(), actor_of(Viewer(key_id="boss"))
    async with store.write() as connection:
        id_ = await add_key(connection, key, name="Jane", roles=["b", "a"], at=now(), by=boss)
        assert await revoke(connection, key[:10], now(), boss) == [id_]
        assert await revoke(connection, id_, now(), boss) == []
        await record(connection, boss, Act.SOURCE_PAUSED, "source:crm", before={}, after={"x": 1})
    async with store.read() as connection:
        paused, revoked, made = await entries(connection, limit=10)
    assert made.after == {
        "prefix": key[:10],
        "roles": ["a", "b"],
        "scopes": ["publish", "read"],
        "expires_at": None,
    }
    assert (revoked.act, revoked.subject, revoked.actor) == (
        Act.KEY_REVOKED,
        f"key:{id_}",
        "key:boss",
    )
    assert (paused.before, paused.after) == ({}, {"x": 1})
    assert key not in str([paused, revoked, made])
    assert "Jane" not in str([paused, revoked, made])  # who is forgotten need not be sought here


async def test_keys_are_made_used_and_revoked_through_the_api(hub: Running) -> None:
    given = {"name": "crawler", "roles": ["sales"], "scopes": ["READ"], "person": "j@us.example"}
    made = (await hub.ask(MAKE, "admin", input=given))["createKey"]
    assert made["__typename"] == "CreateKeySuccess", made
    hub.keys["made"] = made["secret"]
    assert (await hub.ask("{ viewer { name scopes } }", "made"))["viewer"] == {
        "name": "crawler",
        "scopes": ["read"],
    }
    publish = """mutation { publishSignal(input: {kind: "team.idea", title: "x"}) {
      __typename ... on Forbidden { code } } }"""
    forbidden = {"__typename": "Forbidden", "code": "FORBIDDEN"}
    assert (await hub.ask(publish, "made"))["publishSignal"] == forbidden
    listed = (await hub.ask("{ keys { id prefix name roles scopes } }", "admin"))["keys"]
    [one] = [key for key in listed if key["name"] == "crawler"]
    assert made["secret"].startswith(one["prefix"])
    node = "query N($id: ID!) { node(id: $id) { __typename id } }"
    found = (await hub.ask(node, "admin", id=one["id"]))["node"]
    assert found == {"__typename": "ApiKey", "id": one["id"]}
    assert (await hub.ask(node, "sales", id=one["id"]))["node"] is None
    revoked = (await hub.ask(REVOKE, "admin", id=one["id"]))["revokeKey"]
    assert revoked["key"]["revokedAt"]
    again = (await hub.ask(REVOKE, "admin", id=one["id"]))["revokeKey"]
    assert again == {"__typename": "NotFound", "code": "NOT_FOUND"}

    page = (await hub.ask(AUDIT, "admin", first=2))["audit"]
    acts = [edge["node"] for edge in page["edges"]]
    assert [act["act"] for act in acts] == ["KEY_REVOKED", "KEY_CREATED"]
    assert all(act["subject"] == f"key:{one['id']}" for act in acts)
    assert all(act["actor"].startswith("key:") and act["via"] == "API" for act in acts)
    assert made["secret"] not in str(page)


async def test_a_key_that_only_publishes_reads_nothing(hub: Running) -> None:
    given = {"name": "bot", "roles": ["sales"], "scopes": ["PUBLISH"]}
    hub.keys["bot"] = (await hub.ask(MAKE, "admin", input=given))["createKey"]["secret"]
    publish = """mutation { publishSignal(input: {kind: "team.idea", title: "x"}) {
      __typename } }"""
    done = (await hub.ask(publish, "bot"))["publishSignal"]
    assert done == {"__typename": "PublishSignalSuccess"}
    for query in (
        "{ signals { edges { node { id } } } }",
        '{ feed(role: "sales") { edges { node { id } } } }',
        "{ changes { edges { node { seq } } } }",
        '{ node(id: "x") { id } }',
        '{ signal(id: "x") { id } }',
        '{ decisions(signal: "x") { role } }',
        "{ sources { name } }",
        "{ roles { name } }",
    ):
        body = await hub.reply(query, "bot")
        assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN", (query, body)
        assert "scope" in body["errors"][0]["message"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "x", "roles": ["nobody"]}, "roles"),
        ({"name": "x"}, "roles"),
        ({"name": "x", "roles": ["sales"], "scopes": []}, "scopes"),
        ({"name": "x", "roles": ["sales"], "expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
        ({"name": "x", "roles": ["sales"], "expiresAt": "2040-01-01T00:00:00"}, "expiresAt"),
    ],
)
async def test_what_is_no_key(hub: Running, given: dict[str, Any], field: str) -> None:
    made = (await hub.ask(MAKE, "admin", input=given))["createKey"]
    assert (made["__typename"], made["code"], made["field"]) == ("InvalidInput", "INVALID", field)


async def test_keys_and_the_audit_take_the_admin_scope(hub: Running) -> None:
    for query in ("{ keys { id } }", "{ audit { edges { node { id } } } }"):
        body = await hub.reply(query, "sales")
        assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    made = (await hub.ask(MAKE, "sales", input={"name": "x", "scopes": ["ADMIN"]}))["createKey"]
    assert made["__typename"] == "Forbidden"
    assert (await hub.ask(REVOKE, "sales", id="x"))["revokeKey"]["__typename"] == "Forbidden"


async def test_the_audit_pages_both_ways(hub: Running) -> None:
    whole = (await hub.ask(AUDIT, "admin", first=100))["audit"]["edges"]
    assert len(whole) == 7  # the keys of the test's hub
    for part, stop, cursor in (
        ("first", "hasNextPage", ("after", "endCursor")),
        ("last", "hasPreviousPage", ("before", "startCursor")),
    ):
        found: list[Any] = []
        place: dict[str, Any] = {}
        while True:
            page = (await hub.ask(AUDIT, "admin", **{part: 3}, **place))["audit"]
            found = found + page["edges"] if part == "first" else page["edges"] + found
            if not page["pageInfo"][stop]:
                break
            place = {cursor[0]: page["pageInfo"][cursor[1]]}
        assert found == whole
