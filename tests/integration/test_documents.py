"""Documents that are named instead of sent, over every transport; and none but registered ones."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from hub.errors import Refused
from hub.graphql.schema import make_schema
from hub.graphql.transports.persisted import Persisted, by_digest
from hub.graphql.transports.requests import Asked
from hub.signals import Viewer, now
from hub.store import Store, open_store
from hub.store.audit import Act, actor_of, entries
from hub.store.documents import (
    digest,
    register,
    registered,
    remove,
    text_of_digest,
    text_of_name,
)
from hub.web.dashboard.documents import page_documents
from tests.running import Running, hear, running, say, until

BOSS = actor_of(Viewer(key_id="boss"))
WHO = "query Who { viewer { name } }\n"
ROLES = "query Roles($no: Boolean = false) { roles { name @skip(if: $no) } }"
TWO = "query A { viewer { name } } query B { viewer { roles } }"
PAUSE = 'mutation Pause { pauseSource(name: "none") { __typename } }'
LIVE = 'subscription Live { signals(filter: {kinds: ["x.y"]}) { __typename } }'
TRANSPORTS = ("post", "get", "socket", "stream")


def hashed(text: str) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest(text)}}}


async def add(url: str, **texts: str) -> None:
    """Register as another process does, while the hub runs."""
    async with open_store(url) as store, store.write() as connection:
        await register(connection, texts, now(), BOSS, replace=True)


async def drop(url: str, name: str) -> None:
    async with open_store(url) as store, store.write() as connection:
        assert await remove(connection, name, BOSS)


async def asked(hub: Running, transport: str, payload: dict[str, Any], role: str = "sales") -> Any:
    """Ask over one transport; give what GraphQL answers."""
    head = {"authorization": f"Bearer {hub.keys[role]}"} if role else {}
    match transport:
        case "post":
            answer = await hub.client.post("/graphql", json=payload, headers=head)
            return answer.json()
        case "get":
            given = {
                key: one if isinstance(one, str) else json.dumps(one)
                for key, one in payload.items()
            }
            answer = await hub.client.get("/graphql", params=given, headers=head)
            return answer.json()
        case "stream":
            head["accept"] = "text/event-stream"
            answer = await hub.client.post("/graphql", json=payload, headers=head)
            if answer.headers["content-type"].startswith("application/json"):
                assert answer.status_code >= 400
                return answer.json()
            assert answer.text.endswith("event: complete\ndata:\n\n")
            return json.loads(answer.text.removeprefix("event: next\ndata: ").partition("\n")[0])
        case _:
            async with hub.socket(role) as socket:
                await say(socket, type="subscribe", id="1", payload=payload)
                message = await hear(socket)
                assert message["id"] == "1"
                if message["type"] == "error":
                    return {"errors": message["payload"]}
                assert (await hear(socket))["type"] == "complete"
                return message["payload"]


async def everywhere(hub: Running, payload: dict[str, Any], role: str = "sales") -> Any:
    """Ask over every transport; give the answer, which is the same over all."""
    answers = [await asked(hub, transport, payload, role) for transport in TRANSPORTS]
    for transport, answer in zip(TRANSPORTS, answers, strict=True):
        assert answer == answers[0], transport
    return answers[0]


def code(answer: Any) -> str:
    assert "data" not in answer
    [error] = answer["errors"]
    found: str = error["extensions"]["code"]
    return found


@pytest.fixture
async def store(database_url: str) -> AsyncGenerator[Store]:
    async with open_store(database_url) as store:
        yield store


async def test_what_is_registered_is_found_by_name_and_hash_until_it_is_removed(
    store: Store,
) -> None:
    async with store.write() as connection:
        assert await register(connection, {"b": WHO, "a": TWO}, now(), BOSS) == ["a", "b"]
        assert await register(connection, {"b": WHO, "c": WHO}, now(), BOSS) == ["c"]
        assert await text_of_name(connection, "b") == WHO
        assert await text_of_digest(connection, digest(WHO)) == WHO
        assert [one.name for one in await registered(connection)] == ["a", "b", "c"]
        assert await remove(connection, "c", BOSS)
        assert not await remove(connection, "c", BOSS)
        assert await text_of_digest(connection, digest(WHO)) == WHO  # it has another name
        assert await remove(connection, "b", BOSS)
        assert await text_of_digest(connection, digest(WHO)) is None
        assert await text_of_name(connection, "b") is None


async def test_a_name_keeps_its_text_unless_it_is_to_be_replaced(store: Store) -> None:
    async with store.write() as connection:
        await register(connection, {"a": WHO}, now(), BOSS)
    with pytest.raises(Refused, match=r"another text is registered as .a.\. .*--replace"):
        async with store.write() as connection:
            await register(connection, {"0": TWO, "a": TWO}, now(), BOSS)
    async with store.write() as connection:
        [one] = await registered(connection)  # all of them or none
        assert one.text == WHO
        assert await register(connection, {"a": TWO}, now(), BOSS, replace=True) == ["a"]
        assert await text_of_digest(connection, digest(WHO)) is None
        assert await text_of_name(connection, "a") == TWO
        await remove(connection, "a", BOSS)
        removed, replaced, made = await entries(connection, limit=10)
    old, new = {"digest": digest(WHO)}, {"digest": digest(TWO)}
    assert (made.act, made.before, made.after) == (Act.DOCUMENT_REGISTERED, None, old)
    assert (replaced.act, replaced.before, replaced.after) == (Act.DOCUMENT_REGISTERED, old, new)
    assert (removed.act, removed.before, removed.after) == (Act.DOCUMENT_REMOVED, new, None)
    assert {one.subject for one in (removed, replaced, made)} == {"document:a"}


async def test_a_registered_document_is_used_over_every_transport(database_url: str) -> None:
    async with running(database_url) as hub:
        assert code(await everywhere(hub, {"documentId": "who"})) == "DOCUMENT_NOT_REGISTERED"
        await add(database_url, who=WHO, roles=ROLES, two=TWO, pause=PAUSE, live=LIVE)
        mine = {"data": {"viewer": {"name": "sales"}}}
        assert await everywhere(hub, {"documentId": "who"}) == mine
        assert await everywhere(hub, {"documentId": f"sha256:{digest(WHO)}"}) == mine
        assert await everywhere(hub, hashed(WHO)) == mine  # Apollo's clients, and no text was sent
        # graphql-ws sends no subscribe without a text.
        assert await everywhere(hub, {"query": "", "documentId": "who"}) == mine
        assert await everywhere(hub, {"query": "", **hashed(WHO)}) == mine
        found = await everywhere(hub, {"documentId": "roles", "variables": {"no": True}})
        assert set(map(str, found["data"]["roles"])) == {"{}"}
        found = await everywhere(hub, {"documentId": "two", "operationName": "B"})
        assert found == {"data": {"viewer": {"roles": ["sales"]}}}
        assert code(await everywhere(hub, {"documentId": "two"})) == "INVALID"

        head = {"authorization": f"Bearer {hub.keys['admin']}"}
        given = {"documentId": "pause"}
        changed = await hub.client.get("/graphql", params=given, headers=head)
        assert (changed.status_code, changed.headers["allow"]) == (405, "POST")
        assert (await asked(hub, "post", given, "admin"))["data"]["pauseSource"]
        async with hub.socket() as socket:
            await say(socket, type="subscribe", id="1", payload={"documentId": "live"})
            await say(socket, type="subscribe", id="2", payload={"documentId": "who"})
            assert (await hear(socket))["payload"] == mine
            await until(lambda: hub.app.state.tail.followers == 1)  # the first goes on


async def test_only_registered_documents_are_executed(database_url: str) -> None:
    async with running(database_url, documents="registered") as hub:
        persisted = hub.app.state.graphql.served.persisted
        unknown = "DOCUMENT_NOT_REGISTERED"
        for payload in ({"query": WHO}, hashed(WHO), {"query": WHO, **hashed(WHO)}):
            for role in ("sales", "admin"):
                answer = await everywhere(hub, payload, role)
                assert code(answer) == unknown
                assert answer["errors"][0]["extensions"]["documentId"] == f"sha256:{digest(WHO)}"
        assert code(await everywhere(hub, {"query": "{"})) == unknown  # nobody even reads it

        await add(database_url, who=WHO)
        mine = {"data": {"viewer": {"name": "sales"}}}
        for payload in ({"query": WHO}, hashed(WHO), {"documentId": "who"}):
            assert await everywhere(hub, payload) == mine
        assert code(await everywhere(hub, {"query": WHO.strip()})) == unknown  # to the letter

        await add(database_url, who=ROLES)
        await drop(database_url, "who")
        assert await everywhere(hub, {"documentId": "who"}) == mine  # for a few seconds
        assert 0 < persisted.fresh <= 5
        persisted.fresh = 0
        persisted._known.clear()
        for payload in ({"query": WHO}, hashed(WHO), {"documentId": "who"}):
            assert code(await everywhere(hub, payload)) == unknown
        await add(database_url, who=ROLES)
        assert "roles" in (await everywhere(hub, {"documentId": "who"}))["data"]


async def test_the_page_of_the_hub_works_with_registered_documents_only(tmp_path: Any) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db", documents="registered") as hub:
        variables = {"role": "sales", "first": 5}
        for name, text in page_documents().items():
            if name == "LIVE":
                async with hub.socket() as socket:
                    payload = {"query": text, "variables": variables}
                    await say(socket, type="subscribe", id="1", payload=payload)
                    await say(socket, type="subscribe", id="2", payload={"query": WHO})
                    assert (await hear(socket))["id"] == "2"  # refused; the first goes on
                    await until(lambda: hub.app.state.tail.followers == 1)
            else:
                answer = await asked(hub, "post", {"query": text, "variables": variables})
                assert set(answer) == {"data"}, name


async def test_a_text_that_was_sent_with_its_hash_is_found_by_it(tmp_path: Any) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as hub:
        for number, first in enumerate(TRANSPORTS):
            text = f"query Q{number} {{ viewer {{ name }} }}"
            missing = await everywhere(hub, hashed(text))
            assert code(missing) == "PERSISTED_QUERY_NOT_FOUND"
            assert missing["errors"][0]["message"] == "PersistedQueryNotFound"  # to the letter
            mine = {"data": {"viewer": {"name": "sales"}}}
            assert await asked(hub, first, {"query": text, **hashed(text)}) == mine
            assert await everywhere(hub, hashed(text)) == mine
            assert await everywhere(hub, {"documentId": f"sha256:{digest(text)}"}) == mine

        head = {"authorization": f"Bearer {hub.keys['sales']}"}
        for accept, status in (
            ("application/json", 200),  # who knows only this reads no answer but 200
            ("*/*", 200),
            ("application/graphql-response+json", 400),
            ("text/event-stream", 400),
        ):
            for payload in (hashed("{ other }"), {"documentId": "other"}):
                answer = await hub.client.post(
                    "/graphql", json=payload, headers=head | {"accept": accept}
                )
                assert answer.status_code == status, accept
                assert set(answer.json()) == {"errors"}

        # What cannot be executed is not kept, and a hash stands for its own text alone.
        for broken in ("{ nonsense }", "{"):
            assert "errors" in await asked(hub, "post", {"query": broken, **hashed(broken)})
            assert code(await asked(hub, "post", hashed(broken))) == "PERSISTED_QUERY_NOT_FOUND"
        assert code(await everywhere(hub, {"query": WHO, **hashed(TWO)})) == "INVALID"
        assert code(await everywhere(hub, hashed(TWO))) == "PERSISTED_QUERY_NOT_FOUND"
        await asked(hub, "post", {"query": PAUSE, **hashed(PAUSE)})
        changed = await hub.client.get(
            "/graphql", params={"extensions": json.dumps(hashed(PAUSE)["extensions"])}, headers=head
        )
        assert changed.status_code == 405


async def test_whoever_is_not_signed_in_learns_nothing(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    async with running(url) as hub:
        await add(url, who=WHO)
        known: list[dict[str, Any]] = [{"documentId": "who"}, {"documentId": "other"}]
        for payload in [*known, hashed(WHO), hashed(TWO), {"query": TWO, **hashed(TWO)}]:
            for transport in ("post", "get", "stream"):
                assert code(await asked(hub, transport, payload, "")) == "UNAUTHENTICATED"
        assert code(await asked(hub, "post", hashed(TWO))) == "PERSISTED_QUERY_NOT_FOUND"


NO_DOCUMENT: list[tuple[dict[str, Any], str]] = [
    *(
        ({"documentId": one}, "neither a name nor a hash")
        for one in ("a b", "x" * 101, "", "sha256:abc", "md5:" + "0" * 32)
    ),
    ({"documentId": "who", "query": WHO}, "a document is sent or named"),
    ({"documentId": "who", **hashed(WHO)}, "a document is sent or named"),
    ({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "A" * 64}}}, "lower case"),
]


async def test_what_names_no_document(tmp_path: Any) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as hub:
        for payload, words in NO_DOCUMENT:
            answer = await everywhere(hub, payload)
            assert code(answer) == "INVALID"
            assert words in answer["errors"][0]["message"]


async def test_what_is_remembered_of_the_registered_is_bounded(store: Store) -> None:
    texts = {f"n{one}": f"{WHO}#{'x' * 1000}{one}" for one in range(12)}
    async with store.write() as connection:
        await register(connection, texts, now(), BOSS)
    persisted = Persisted(store, make_schema().documents, most_letters=5_000)
    for name in [*texts, *texts]:
        document = await persisted.read(Asked("", document_id=name))
        assert document.text == texts[name]
        assert persisted._letters == sum(len(text) for _, text in persisted._known.values())
        assert 0 < persisted._letters <= 5_000


async def test_what_would_be_refused_is_logged_once(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async with store.write() as connection:
        await register(connection, {"who": WHO}, now(), BOSS)
    persisted = Persisted(store, make_schema().documents, "log", by_digest([ROLES]))
    for text in (WHO, ROLES, TWO, TWO, PAUSE, "{ nonsense }"):
        assert (await persisted.read(Asked(text))).text == text
    await persisted.read(Asked(PAUSE, digest=digest(PAUSE)))
    await persisted.read(Asked("", digest=digest(PAUSE)))
    assert [record.message for record in caplog.records] == ["a document is not registered"] * 2
    facts = [(vars(one)["document"], vars(one)["operations"]) for one in caplog.records]
    assert facts == [(f"sha256:{digest(TWO)}", ["A", "B"]), (f"sha256:{digest(PAUSE)}", ["Pause"])]
