"""GraphQL over HTTP as other programs speak it, and how one signs in."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from hub.signals import now
from hub.store.keys import add_key, keys, new_key, revoke
from tests.running import Running, hear, running, say

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
QUERY = "{ viewer { name } }"


@pytest.fixture
async def hub(tmp_path: Any) -> Any:
    async with running(f"sqlite:///{tmp_path}/hub.db") as hub:
        yield hub


async def post(hub: Running, body: Any, **headers: str) -> httpx2.Response:
    given = {"authorization": f"Bearer {hub.keys['sales']}", "content-type": JSON, **headers}
    content = body if isinstance(body, bytes) else None
    return await hub.client.post(
        "/graphql", json=None if content is not None else body, content=content, headers=given
    )


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", JSON),
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL),
        (f"{JSON}, {GRAPHQL}", JSON),
        (f"{JSON};q=0.1, {GRAPHQL}", GRAPHQL),
        ("application/*", JSON),
        (f"{JSON}, text/event-stream", JSON),
        (f"{GRAPHQL}, {JSON}, text/event-stream, multipart/mixed", GRAPHQL),
        ("text/event-stream", "text/event-stream"),
    ],
)
async def test_the_media_type_is_the_one_preferred(hub: Running, accept: str, media: str) -> None:
    answer = await post(hub, {"query": QUERY}, accept=accept)
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == media


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"null", 400),
        (b"5", 400),
        (b'"x"', 400),
        (b"\xff\xfe", 400),
        (b"[" * 200_000, 400),
        (b'[{"query": "{ viewer { name } }"}]', 400),
        (b'{"query": 5}', 400),
        (b'{"query": "{ viewer { name } }", "variables": []}', 400),
        (b'{"query": "{ viewer { name } }", "operationName": 1}', 400),
        (b'{"query": "' + b"x" * 300_000 + b'"}', 413),
    ],
)
async def test_a_bad_body_is_a_clear_refusal(hub: Running, body: bytes, status: int) -> None:
    answer = await post(hub, body)
    assert answer.status_code == status
    [error] = answer.json()["errors"]
    limited = status == 413 or body.startswith(b"[{")
    code = "LIMIT_EXCEEDED" if limited else "INVALID"
    assert error["extensions"]["code"] == code


async def test_status_codes_of_the_newer_media_type(hub: Running) -> None:
    for query, status in ((QUERY, 200), ("{ nonsense }", 400), ("{", 400)):
        answer = await post(hub, {"query": query}, accept=GRAPHQL)
        assert answer.status_code == status
        assert ("data" in answer.json()) == (status == 200)
        assert (await post(hub, {"query": query})).status_code == 200


async def test_other_forms_of_request_are_refused(hub: Running) -> None:
    for media in ("text/plain", "application/x-www-form-urlencoded", "xapplication/json"):
        answer = await post(hub, b'{"query": "{ viewer { name } }"}', **{"content-type": media})
        assert answer.status_code == 415
    assert (await post(hub, {"query": QUERY}, **{"content-encoding": "gzip"})).status_code == 415
    assert (await post(hub, {"query": QUERY}, accept="image/png")).status_code == 406
    assert (await hub.client.put("/graphql", json={"query": QUERY})).status_code == 405
    subscription = {"query": 'subscription { feed(role: "sales") { __typename } }'}
    assert (await post(hub, subscription)).status_code == 400


@pytest.mark.parametrize(
    ("query", "name", "words"),
    [
        ("query A { viewer { name } }", "B", "no operation named 'B'. The document has: A"),
        ("query A { viewer { name } } query B { viewer { name } }", None, "operationName"),
        ("fragment F on Viewer { name }", None, "has 0 operations"),
    ],
)
async def test_which_operation_is_meant_must_be_clear(
    hub: Running, query: str, name: str | None, words: str
) -> None:
    answer = await post(hub, {"query": query, "operationName": name})
    assert answer.status_code == 400
    assert words in answer.json()["errors"][0]["message"]
    async with hub.socket() as socket:
        payload = {"query": query, "operationName": name}
        await say(socket, type="subscribe", id="1", payload=payload)
        wrong = await hear(socket)
        assert (wrong["type"], wrong["id"]) == ("error", "1")
        assert words in wrong["payload"][0]["message"]


async def test_get_is_for_queries_only(hub: Running) -> None:
    head = {"authorization": f"Bearer {hub.keys['sales']}"}
    answer = await hub.client.get("/graphql", params={"query": QUERY}, headers=head)
    assert answer.json() == {"data": {"viewer": {"name": "sales"}}}
    mutation = 'mutation { syncSource(name: "x") { __typename } }'
    answer = await hub.client.get("/graphql", params={"query": mutation}, headers=head)
    assert answer.status_code == 405


async def test_without_a_key_nothing_is_told(hub: Running) -> None:
    for head in ({}, {"authorization": "Bearer hub_wrong"}, {"authorization": "Basic eDp5"}):
        answer = await hub.client.post("/graphql", json={"query": QUERY}, headers=head)
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        answer = await hub.client.post(
            "/graphql", json={"query": "{ __schema { types { name } } }"}, headers=head
        )
        assert answer.status_code == 401


async def test_a_session_takes_the_keys_place(hub: Running) -> None:
    assert (await hub.client.post("/session", json={"key": "hub_wrong"})).status_code == 401
    assert (await hub.client.post("/session", json={})).status_code == 400
    assert (await hub.client.post("/session", content=b"key=x")).status_code == 415
    opened = await hub.client.post("/session", json={"key": hub.keys["support"]})
    assert opened.status_code == 204
    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert hub.keys["support"].lower() not in cookie
    answer = await hub.client.post("/graphql", json={"query": QUERY})
    assert answer.json()["data"]["viewer"]["name"] == "support"
    assert (await hub.client.get("/session")).json() == {
        "demo": False,
        "signedIn": True,
        "provider": False,
    }
    await hub.client.delete("/session")
    assert (await hub.client.post("/graphql", json={"query": QUERY})).status_code == 401


async def test_a_forged_session_is_none(hub: Running) -> None:
    hub.client.cookies.set("hub_session", "ImZvcmdlZCI.aSRk.c2lnbmF0dXJl")
    assert (await hub.client.post("/graphql", json={"query": QUERY})).status_code == 401


async def test_a_key_ends_when_it_expires_or_is_revoked(hub: Running) -> None:
    store = hub.app.state.runtime.store
    key, late = new_key(), new_key()
    async with store.write() as connection:
        key_id = await add_key(connection, key, name="k", roles=["sales"], at=now())
        soon = now() + timedelta(seconds=0.3)
        await add_key(connection, late, name="l", roles=["sales"], at=now(), expires_at=soon)
        rows = await connection.exec_driver_sql("SELECT * FROM keys")
        assert key not in repr(rows.all()), "a key is kept as a hash only"
    head = {"authorization": f"Bearer {key}"}
    assert (await hub.client.post("/graphql", json={"query": QUERY}, headers=head)).is_success
    async with store.write() as connection:
        assert await revoke(connection, key_id, now())
        assert not await revoke(connection, key_id, now())
    await asyncio.sleep(5.1)  # at most so long is a look-up remembered
    answer = await hub.client.post("/graphql", json={"query": QUERY}, headers=head)
    assert answer.status_code == 401
    head = {"authorization": f"Bearer {late}"}
    answer = await hub.client.post("/graphql", json={"query": QUERY}, headers=head)
    assert answer.status_code == 401
    async with store.read() as connection:
        assert {one.name for one in await keys(connection)} >= {"k", "l", "sales"}


async def test_every_answer_is_guarded_by_headers(hub: Running) -> None:
    for path in ("/", "/livez", "/readyz", "/nowhere", "/static/nowhere"):
        answer = await hub.client.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
    assert (await hub.client.get("/readyz")).json() == {"status": "ok"}


async def test_the_pages_files_are_small_on_the_way_and_asked_for_anew(hub: Running) -> None:
    first = await hub.client.get("/static/js/main.js", headers={"accept-encoding": "gzip"})
    assert first.headers["content-encoding"] == "gzip"
    assert first.headers["cache-control"] == "no-cache"
    head = {"if-none-match": first.headers["etag"]}
    assert (await hub.client.get("/static/js/main.js", headers=head)).status_code == 304


async def test_a_page_elsewhere_opens_no_socket(hub: Running) -> None:
    key = f"Bearer {hub.keys['sales']}"
    upgrade = {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "sec-websocket-protocol": "graphql-transport-ws",
        "origin": "https://evil.example",
        "authorization": key,
    }
    assert (await hub.client.get("/graphql", headers=upgrade)).status_code == 403
