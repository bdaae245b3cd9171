"""A request that came before is answered at once, as it would be by reading it."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson
import pytest
import pytest_asyncio
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hub import metrics, traces
from hub.graphql.replies import Replies
from hub.graphql.transports.repeats import LONGEST, WEIGHT, Repeats
from hub.signals import Viewer, now
from hub.store import Store
from hub.store.audit import actor_of
from hub.store.documents import digest, register, remove
from hub.store.keys import keys, revoke
from hub.web import auth
from tests.running import Running, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED = "{ signals(first: 10) { edges { node { id title } } } }"
ABOUT_ME = "{ viewer { name } }"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    """Run a hub that remembers who comes, and whose data nobody seems to write to meanwhile.

    What is another answer after every write is proved by `test_answers`, with all of this in it.
    """
    file = tmp_path_factory.mktemp("repeats") / "hub.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auth, "FRESH_SECONDS", 600.0)
        patch.setattr(Store, "version", always)
        async with running(f"sqlite:///{file}", max_body_seconds=0.3, max_concurrent=2) as hub:
            yield hub


async def always(store: Store) -> str:
    return store.url.render_as_string()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List the documents of requests that were read, and not known again."""
    documents: list[str] = []
    ordinarily = Replies.of

    async def noted(replies: Replies, document: Any, *rest: Any) -> Any:
        documents.append(document.text)
        return await ordinarily(replies, document, *rest)

    monkeypatch.setattr(Replies, "of", noted)
    return documents


def repeats_of(hub: Running) -> Repeats:
    repeats: Repeats = hub.app.state.graphql.served.repeats
    return repeats


async def post(
    hub: Running, shown: str | None, query: str = ASKED, path: str = "/graphql", **headers: str
) -> httpx2.Response:
    """Ask with a key, or with whatever the headers hold."""
    if shown is not None:
        headers["authorization"] = f"Bearer {shown}"
    return await hub.client.post(path, json={"query": query}, headers=headers)


async def known(hub: Running, shown: str | None, query: str = ASKED, **headers: str) -> Any:
    """Ask until it is known again, which is the second time."""
    for _ in range(2):
        answer = await post(hub, shown, query, **headers)
        assert answer.status_code == 200
    return answer


def counts(*names: str) -> dict[str, float]:
    found = {
        f"{sample.name} {sorted(sample.labels.values())}": sample.value
        for family in metrics.REGISTRY.collect()
        for sample in family.samples
    }
    return {name: found.get(name, 0.0) for name in names}


COUNTED = (
    "hub_http_requests_total ['/graphql', '200', 'POST']",
    "hub_http_request_seconds_count ['/graphql']",
    "hub_graphql_operations_total ['ok', 'query']",
    "hub_graphql_operation_seconds_count ['query']",
    "hub_graphql_answers_total ['kept']",
)


def remembered(hub: Running, role: str) -> tuple[str, Viewer]:
    """Give a key's hash and whom it is remembered as."""
    known = hub.app.state.graphql.doorkeeper._known
    [found] = [(name, who) for name, (_, who) in known.items() if who and who.name == role]
    return found


async def test_it_is_the_same_answer_and_counts_as_much(hub: Running, read: list[str]) -> None:
    query = f"{ASKED} # the same"
    first = await post(hub, hub.keys["sales"], query)
    before = counts(*COUNTED)
    number = "0123456789abcdef"
    again = await post(hub, hub.keys["sales"], query, **{"x-request-id": number})
    assert read == [query]
    assert again.content == first.content
    one, other = ({**answer.headers} for answer in (first, again))
    assert (one.pop("x-request-id") == number, other.pop("x-request-id")) == (False, number)
    assert one == other
    assert one["cache-control"] == "no-store"
    assert one["content-security-policy"]
    assert counts(*COUNTED) == {name: value + 1 for name, value in before.items()}

    # In another form, or a word of it another: another request.
    newer = await known(hub, hub.keys["sales"], query, accept="application/graphql-response+json")
    assert newer.headers["content-type"].startswith("application/graphql-response+json")
    assert newer.content == first.content
    assert (
        (await post(hub, hub.keys["sales"], query))
        .headers["content-type"]
        .startswith("application/json")
    )
    refused = await post(hub, hub.keys["sales"], query, **{"content-type": "text/plain"})
    assert refused.status_code == 415
    key, asked = f"Bearer {hub.keys['sales']}", {"query": query}
    read.clear()
    for _ in range(3):
        got = await hub.client.get("/graphql", params=asked, headers={"authorization": key})
        assert got.content == first.content
    assert read == [query]
    foreign = {"authorization": key, "sec-fetch-site": "cross-site"}
    assert (await hub.client.get("/graphql", params=asked, headers=foreign)).status_code == 403


async def test_what_is_asked_of_somebody_else_is_asked_anew(hub: Running, read: list[str]) -> None:
    query = f"{ASKED} # others"
    await known(hub, hub.keys["sales"], query)
    assert read == [query]
    await post(hub, hub.keys["support"], query)
    assert read == [query] * 2
    for shown in ("nobody's", hub.keys["sales"] + "x", None):
        assert (await post(hub, shown, query)).status_code == 401
    # What says who asks depends on more than is looked at here.
    for role in ("sales", "support"):
        for _ in range(3):
            answer = await post(hub, hub.keys[role], ABOUT_ME)
            assert answer.json()["data"]["viewer"]["name"] == role
    assert read.count(ABOUT_ME) == 6


async def test_who_may_come_no_longer_is_not_answered(hub: Running, read: list[str]) -> None:
    key, query = hub.keys["product"], f"{ASKED} # no longer"
    opened = await hub.client.post("/session", json={"key": key})
    cookie = opened.headers["set-cookie"].partition(";")[0]
    hub.client.cookies.clear()
    await known(hub, None, query, cookie=cookie)
    await hub.client.delete("/session", headers={"cookie": cookie})
    assert (await post(hub, None, query, cookie=cookie)).status_code == 401

    await known(hub, key, query)
    seen = len(read)
    doorkeeper = hub.app.state.graphql.doorkeeper
    name, viewer = remembered(hub, "product")
    until, _ = doorkeeper._known[name]
    # Other roles see otherwise, though the request is the same.
    doorkeeper._known[name] = (until, replace(viewer, roles=frozenset({"support"})))
    assert (await post(hub, key, query)).status_code == 200
    assert len(read) == seen + 1
    async with hub.app.state.runtime.store.write() as connection:
        ids = [one.id for one in await keys(connection) if one.name == "product"]
        assert await revoke(connection, ids[0], now()) == ids
    doorkeeper._known[name] = (0.0, viewer)  # what it remembers of it is too old
    assert (await post(hub, key, query)).status_code == 401


async def test_whose_turn_it_is_not_is_refused(hub: Running) -> None:
    key, query = hub.keys["community"], f"{ASKED} # in turn"
    await known(hub, key, query)
    admission = hub.app.state.graphql.served.admission
    viewer = remembered(hub, "community")[1]
    with admission.running(viewer), admission.running(viewer):
        assert (await post(hub, key, query)).status_code == 429
    due = admission._due[viewer.identity]
    assert (await post(hub, key, query)).status_code == 200
    assert admission._due[viewer.identity] > due, "it was counted"
    admission._due[viewer.identity] = due + 3600
    refused = await post(hub, key, query)
    admission._due[viewer.identity] = due
    assert refused.status_code == 429
    assert refused.json()["errors"][0]["extensions"]["of"] == "requests"


async def test_a_registered_document_is_looked_up_again(hub: Running, read: list[str]) -> None:
    boss = actor_of(Viewer(key_id="boss"))
    store, served = hub.app.state.runtime.store, hub.app.state.graphql.served
    headers = {"authorization": f"Bearer {hub.keys['sales']}"}

    async def named(**said: Any) -> httpx2.Response:
        return await hub.client.post("/graphql", json=said, headers=headers)

    async with store.write() as connection:
        await register(connection, {"front": f"{ASKED} # named"}, now(), boss)
    first = await named(documentId="front")
    assert (await named(documentId="front")).content == first.content
    assert len(read) == 1
    async with store.write() as connection:
        assert await remove(connection, "front", boss)
    for id_, (_, text) in served.persisted._known.items():
        served.persisted._known[id_] = (0.0, text)  # seconds later
    for request, repeat in repeats_of(hub)._noted.items():
        later = min(repeat.until, 0.0) if repeat.until != float("inf") else repeat.until
        repeats_of(hub)._noted[request] = replace(repeat, until=later)
    answer = await named(documentId="front")
    assert answer.json()["errors"][0]["extensions"]["code"] == "DOCUMENT_NOT_REGISTERED"

    text = f"{ASKED} # by its hash"
    version = {"persistedQuery": {"version": 1, "sha256Hash": digest(text)}}
    await named(query=text, extensions=version)
    read.clear()
    for _ in range(3):
        assert (await named(extensions=version)).content == first.content
    assert read == [text]


async def test_a_body_that_is_not_there_yet_is_waited_for_so_long(hub: Running) -> None:
    """The same head as one that is known, and its body in parts, or never."""
    where = urlsplit(hub.url)
    body = orjson.dumps({"query": f"{ASKED} # in parts"})
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {hub.keys['sales']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    reader, writer = await asyncio.open_connection(where.hostname, where.port)

    async def heard(*parts: bytes) -> bytes:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.05)
        said = await reader.readuntil(b"\r\n\r\n")
        length = int(said.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        return said.partition(b"\r")[0] + b" " + await reader.readexactly(length)

    whole = await heard(head + body)
    assert whole.startswith(b"HTTP/1.1 200 OK {")
    assert await heard(head + body) == whole
    assert await heard(head, body[:10], body[10:]) == whole
    assert await heard(head + body[:10], body[10:]) == whole
    assert (await heard(head, body[:10])).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_what_is_noted_is_bounded_and_shows_nobodys_key(hub: Running) -> None:
    repeats, key = repeats_of(hub), hub.keys["executive"]
    await post(hub, key, f"{ASKED} # {'long' * LONGEST}"[: LONGEST + 100])
    assert all(len(body) <= LONGEST for _, body in repeats._noted)
    repeats.most, most = 5 * (WEIGHT + 200), repeats.most
    for number in range(20):
        await post(hub, key, f"{ASKED} # {number}")
    assert 0 < repeats._bytes <= repeats.most
    assert repeats._bytes == sum(len(body) + WEIGHT for _, body in repeats._noted)
    assert sum(one.noted for one in repeats._senders.values()) == len(repeats._noted)
    assert key not in repr(repeats._noted) + repr(repeats._senders)
    assert {head for head, _ in repeats._noted} == repeats._senders.keys()
    repeats.most = most


async def test_where_traces_are_wanted_each_request_has_its_own(
    hub: Running, read: list[str]
) -> None:
    query = f"{ASKED} # traced"
    await known(hub, hub.keys["sales"], query)
    exporter = InMemorySpanExporter()
    with traces.tracing(SimpleSpanProcessor(exporter)):
        await post(hub, hub.keys["sales"], query)
    assert [span.name for span in exporter.get_finished_spans()].count("graphql") == 1
    assert read == [query] * 2
