"""The door for pushes and what becomes of them: verified, stored once, read by somebody."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import select, update
from sqlmodel import col

from hub.config import SourceConfig
from hub.connector import Pushed
from hub.push import TRIES
from hub.retention import Retention, cutoffs
from hub.runtime import Runtime, open_runtime
from hub.settings import Settings
from hub.signals import now
from hub.store import Store
from hub.store.clock import clock
from hub.store.erase import count_old
from hub.store.pushes import Push, PushState, claim_pushes, last_pushes, pushes_of
from hub.store.tables import PushRecordRow, PushRow, QuarantineRow, table
from hub.web.inbox import LARGEST
from tests.ledger import Book, Ledger
from tests.pushing import KEY, Bell, Rung, pushing_config, record, ring, signed
from tests.running import Running, migrated, running, until
from tests.servers import serve

TITLES = "{ signals(first: 100, orderBy: OLDEST) { edges { node { title revision } } } }"
LEASE = timedelta(seconds=20)
OLD = {"notify_after": datetime(2020, 1, 1, tzinfo=UTC)}


async def titles(hub: Running) -> list[str]:
    edges = (await hub.ask(TITLES))["signals"]["edges"]
    return sorted(edge["node"]["title"] for edge in edges)


async def source(hub: Running, name: str) -> Any:
    query = '{ source(name: "%s") { state lastError failures quarantined nextPollAt lastPushAt } }'
    return (await hub.ask(query % name))["source"]


async def rows(store: Store) -> list[Any]:
    async with store.read() as connection:
        return list(await connection.execute(select(table(PushRow)).order_by("id")))


def store_of(hub: Running) -> Store:
    found: Store = hub.app.state.runtime.store
    return found


@asynccontextmanager
async def belled(database_url: str, **settings: Any) -> AsyncGenerator[Running]:
    async with running(database_url, pushing_config(Bell(), **OLD), **settings) as hub:
        yield hub


async def test_a_push_becomes_a_signal(database_url: str) -> None:
    async with belled(database_url) as hub:
        began = time.monotonic()
        answer = await ring(hub, "bell", {"records": [record(1, "Won")]}, delivery="d1")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-request-id"]
        assert time.monotonic() - began < 5
        await until(lambda: _titles_are(hub, ["Won"]))
        [row] = await until(lambda: _settled(store_of(hub)))
        assert (row.state, row.attempt, row.delivery) == (PushState.READ, 1, "d1")
        assert orjson.loads(row.body) == {"records": [record(1, "Won")]}
        assert row.lease_until is None
        found = await hub.ask("{ signals(first: 1) { edges { node { origin } } } }")
        assert found["signals"]["edges"][0]["node"]["origin"] == "PUSH"


async def _titles_are(hub: Running, wanted: list[str]) -> bool:
    return await titles(hub) == wanted


async def _settled(store: Store) -> list[Any]:
    found = await rows(store)
    return found if all(row.state != PushState.WAITING for row in found) else []


async def test_one_delivery_is_stored_once_however_often_it_comes(database_url: str) -> None:
    async with belled(database_url) as hub:
        for _ in range(3):
            answer = await ring(hub, "bell", {"records": [record(1, "Won")]}, delivery="d1")
            assert answer.status_code == 200
        # Without the vendor's id: the same content is the same delivery, other content is not.
        for title in ("A", "A", "B"):
            await ring(hub, "bell", {"records": [record(2, title)]})
        assert [row.delivery.partition(":")[0] for row in await rows(store_of(hub))] == [
            "d1",
            "sha256",
            "sha256",
        ]


REFUSED: dict[str, tuple[Mapping[str, str | None], int, str]] = {
    "no signature": ({"X-Bell-Signature": None}, 401, "X-Bell-Signature is missing"),
    "another key": (signed(b'{"records": []}', "another-key"), 401, "was not made"),
    "an old one": (signed(b'{"records": []}', at=time.time() - 3600), 401, "too far from now"),
    "another body": (signed(b"{}"), 401, "was not made"),
    "packed": ({"Content-Encoding": "gzip"}, 415, "compressed"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_the_vendor_did_not_sign_is_not_stored(database_url: str, name: str) -> None:
    changes, status, words = REFUSED[name]
    body = b'{"records": []}'
    async with belled(database_url) as hub:
        headers = {
            name: value for name, value in {**signed(body), **changes}.items() if value is not None
        }
        answer = await hub.client.post("/push/bell", content=body, headers=headers)
        assert answer.status_code == status
        assert words in answer.json()["error"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert await rows(store_of(hub)) == []


async def test_who_tries_names_out_learns_of_no_source(database_url: str) -> None:
    """Unknown, polled only, without a secret: one answer, in the same words."""
    silent = Bell(signing_secret=None)
    config = pushing_config(silent, Ledger(url="http://127.0.0.1:1"))
    async with running(database_url, config) as hub:
        said = set()
        for name in ("bell", "ledger", "nothing", "hub", "..%2fbell"):
            body = b"{}"
            answer = await hub.client.post(f"/push/{name}", content=body, headers=signed(body))
            assert answer.status_code == 404, name
            said.add(answer.text)
        # (a slash in the name is no route at all)
        assert len({one for one in said if "Nobody takes pushes here" in one}) == 1
        assert await rows(store_of(hub)) == []


async def test_a_challenge_is_answered_and_not_stored(database_url: str) -> None:
    async with belled(database_url) as hub:
        answer = await ring(hub, "bell", {"challenge": "3eZbrw1aB"})
        assert (answer.status_code, answer.text) == (200, "3eZbrw1aB")
        assert answer.headers["content-type"].startswith("text/plain")
        assert await rows(store_of(hub)) == []


async def test_only_a_post_brings_news(database_url: str) -> None:
    async with belled(database_url) as hub:
        for method, status in (("GET", 400), ("OPTIONS", 400), ("PUT", 200), ("DELETE", 405)):
            body = orjson.dumps({"records": [], "by": method})
            answer = await hub.client.request(
                method, "/push/bell", content=body, headers=signed(body)
            )
            assert answer.status_code == status, method
        assert [row.method for row in await rows(store_of(hub))] == ["PUT"]


async def test_a_body_that_is_too_large_is_refused_while_it_comes(database_url: str) -> None:
    async with belled(database_url) as hub:
        fits = b'{"records": [], "x": "' + b"x" * (LARGEST - 30) + b'"}'
        answer = await hub.client.post("/push/bell", content=fits, headers=signed(fits))
        assert answer.status_code == 200
        more = b"x" * (LARGEST + 1)
        answer = await hub.client.post("/push/bell", content=more, headers=signed(more))
        assert answer.status_code == 413
        assert "at most 4 MiB" in answer.json()["error"]


async def test_what_signs_a_push_in_is_not_kept(database_url: str) -> None:
    async with belled(database_url) as hub:
        said = {"records": [], "token": KEY}
        body = orjson.dumps(said)
        headers = {**signed(body), "Authorization": f"Bearer {KEY}", "X-Kind": "won"}
        answer = await hub.client.post(
            f"/push/bell?key={KEY}&a=%2f",
            content=body,
            headers={**headers, "Cookie": "a=b", "ce-partitionkey": "7"},
        )
        assert answer.status_code == 200
        [row] = await rows(store_of(hub))
        assert row.headers.keys() & {"authorization", "cookie", "x-bell-signature"} == set()
        assert (row.headers["x-kind"], row.headers["ce-partitionkey"]) == ("won", "7")
        assert row.url.endswith("/push/bell?key=…&a=%2f")
        assert KEY.encode() not in row.body


async def test_the_address_is_the_one_that_people_configured(database_url: str) -> None:
    async with belled(database_url, public_url="https://hub.acme.example/") as hub:
        await ring(hub, "bell?a=%3A&b", {"records": []})
        [row] = await rows(store_of(hub))
        assert row.url == "https://hub.acme.example/push/bell?a=%3A&b"


@pytest.mark.parametrize("fault", ["bad", "bug", "shape"])
async def test_what_cannot_be_read_is_shown_and_may_be_sent_again(
    database_url: str, fault: str
) -> None:
    said = {"bad": {"fault": "bad"}, "bug": {"fault": "bug"}, "shape": {"records": [{"id": 7}]}}
    async with belled(database_url) as hub:
        assert (await ring(hub, "bell", said[fault], delivery="d1")).status_code == 200
        await until(lambda: _is_set_aside(hub, 1))
        standing = await source(hub, "bell")
        assert standing["state"] == "FAILING"
        assert standing["failures"] == 1
        assert standing["lastPushAt"] is not None
        async with store_of(hub).read() as connection:
            [bad] = list(await connection.execute(select(table(QuarantineRow))))
        assert bad.external_id == "d1"
        assert orjson.loads(bad.raw)["body"] == said[fault]
        words = {"bad": "it rang false", "bug": "ZeroDivisionError", "shape": "'revision'"}
        assert words[fault] in bad.reason or fault == "shape"
        # The vendor sends it again, now that it can be read.
        await ring(hub, "bell", {"records": [record(1, "Won")]}, delivery="d1")
        await until(lambda: _titles_are(hub, ["Won"]))
        standing = await source(hub, "bell")
        assert (standing["state"], standing["lastError"]) == ("OK", None)


async def _is_set_aside(hub: Running, count: int) -> bool:
    return bool((await source(hub, "bell"))["quarantined"] == count)


async def test_push_and_poll_of_one_record_meet(database_url: str) -> None:
    """In either order, and the poll's place stays the poll's own."""
    book = Book(page=3)
    async with serve(book.app) as vendor:
        config = pushing_config(Rung(url=vendor), **OLD)
        async with running(database_url, config) as hub:
            at = now().isoformat()
            book.records.append({**record(1, "First", at), "more": {}})
            await until(lambda: _titles_are(hub, ["First"]))
            await ring(hub, "rung", {"records": [record(1, "First", at)]})
            await ring(hub, "rung", {"records": [record(2, "Second", at)]})
            await until(lambda: _titles_are(hub, ["First", "Second"]))
            book.records.append({**record(2, "Second", at), "more": {}})
            asked = len(book.cursors)
            await until(lambda: 2 in book.cursors[asked:])
            assert await titles(hub) == ["First", "Second"]
            counted = "{ signals(first: 9) { edges { node { history { edges { cursor } } } } } }"
            found = await hub.ask(counted)
            for edge in found["signals"]["edges"]:
                assert len(edge["node"]["history"]["edges"]) == 1


async def test_a_push_may_ask_for_a_poll(database_url: str) -> None:
    book = Book(page=3)
    async with serve(book.app) as vendor:
        config = pushing_config(Rung(url=vendor), **OLD | {"every": timedelta(hours=1)})
        async with running(database_url, config) as hub:
            await until(lambda: book.asked)
            await until(lambda: _state_is(hub, "rung", "OK"))
            book.write("Told of by a bell")
            await ring(hub, "rung", {"records": [], "poll": True})
            await until(lambda: _titles_are(hub, ["Told of by a bell"]), within=4)
            # A source that does not work is not asked more often for it.
            asked, book.answer = book.asked, None
            await ring(hub, "rung", {"records": [], "poll": True})  # the same: known already
            await asyncio.sleep(0.5)
            assert book.asked == asked


async def _state_is(hub: Running, name: str, state: str) -> bool:
    return bool((await source(hub, name))["state"] == state)


async def test_a_source_that_only_listens_is_never_polled(database_url: str) -> None:
    async with belled(database_url) as hub:
        standing = await source(hub, "bell")
        assert (standing["state"], standing["nextPollAt"]) == ("WAITING", None)
        assert standing["lastPushAt"] is None
        said = await hub.ask(
            'mutation { syncSource(name: "bell") { __typename ... on InvalidInput { message } } }',
            "admin",
        )
        assert said["syncSource"]["__typename"] == "InvalidInput"
        await ring(hub, "bell", {"records": []})
        await until(lambda: _state_is(hub, "bell", "OK"))
        assert (await source(hub, "bell"))["nextPollAt"] is None


async def test_what_is_deleted_at_its_source_goes_from_what_was_pushed_too(
    database_url: str,
) -> None:
    secret = {"title": "Quittengelee for all"}
    async with belled(database_url) as hub:
        await ring(hub, "bell", {"records": [record(1, **secret)]})
        await ring(hub, "bell", {"records": [record(2, "Another")]})
        await until(lambda: _titles_are(hub, ["Another", "Quittengelee for all"]))
        later = "2026-11-24T12:05:00+00:00"
        gone = {**record(9, "gone", later), "id": "r1", "more": {"status": "deleted"}}
        await ring(hub, "bell", {"records": [gone], "was": secret})
        await until(lambda: _titles_are(hub, ["Another", "Deleted at its source"]))
        # What was late on its way brings its words no more.
        await ring(hub, "bell", {"records": [record(1, **secret)], "late": True})
        found = await until(lambda: _settled(store_of(hub)))
        bodies = [row.body for row in found]
        assert [bool(body) for body in bodies] == [False, True, False, False]
        assert not any(b"Quittengelee" in body for body in bodies)


# What follows has no running hub: two workers, and one that dies.


@pytest.fixture
async def runtime(database_url: str) -> AsyncGenerator[Runtime]:
    settings = Settings(database=await migrated(database_url))
    async with open_runtime(settings, pushing_config(Bell(), **OLD)) as runtime:
        yield runtime


def bell(runtime: Runtime) -> SourceConfig:
    return runtime.config.sources["bell"]


async def stored(runtime: Runtime, said: Any) -> None:
    body = orjson.dumps(said)
    headers = {name.lower(): value for name, value in signed(body).items()}
    request = Pushed("POST", "https://hub/push/bell", headers, body, now())
    await runtime.inbox.take(bell(runtime), request)


async def claim(runtime: Runtime, lease: timedelta = LEASE) -> list[Push]:
    async with runtime.store.write() as connection:
        return await claim_pushes(connection, ["bell"], await clock(connection), lease, 10)


async def count(runtime: Runtime) -> int:
    async with runtime.store.read() as connection:
        found = await connection.exec_driver_sql("SELECT count(*) FROM revisions")
        return int(found.scalar_one())


async def test_another_worker_takes_over_from_one_that_died(runtime: Runtime) -> None:
    await stored(runtime, {"records": [record(1, "Won")]})
    [dead] = await claim(runtime, timedelta(0))
    assert dead.attempt == 1
    await asyncio.sleep(0.01)
    [taken] = await claim(runtime)
    assert (taken.id, taken.attempt) == (dead.id, 2)
    assert await claim(runtime) == []
    read = runtime.inbox.read
    assert await read(taken, bell(runtime), lambda: runtime.snapshot.plan) is PushState.READ
    # The dead one was only slow: what it read by now changes nothing.
    assert await read(dead, bell(runtime), lambda: runtime.snapshot.plan) is None
    assert await count(runtime) == 1
    [row] = await rows(runtime.store)
    assert (row.state, row.attempt) == (PushState.READ, 2)


async def test_a_late_worker_that_read_something_else_leaves_nothing(runtime: Runtime) -> None:
    await stored(runtime, {"records": [record(1, "Won")]})
    [late] = await claim(runtime, timedelta(0))
    await asyncio.sleep(0.01)
    await claim(runtime)
    assert await runtime.inbox.read(late, bell(runtime), lambda: runtime.snapshot.plan) is None
    assert await count(runtime) == 0


async def test_what_was_begun_is_given_back(runtime: Runtime) -> None:
    await stored(runtime, {"records": []})
    [push] = await claim(runtime)
    await runtime.inbox.give_back(push)
    [again] = await claim(runtime)
    assert again.attempt == 2


async def test_what_fails_again_and_again_is_set_aside(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever keeps it from being stored, a poisoned event does not go round for ever."""

    async def fails(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of the hub's own")

    await stored(runtime, {"records": [record(1, "Won")]})
    with monkeypatch.context() as patch:
        patch.setattr("hub.push.ingest_within", fails)
        for tries in range(1, TRIES + 1):
            [push] = await claim(runtime)
            assert push.attempt == tries
            assert (
                await runtime.inbox.read(push, bell(runtime), lambda: runtime.snapshot.plan) is None
            )
            assert await claim(runtime) == []  # not at once again
            async with runtime.store.write() as connection:
                await connection.execute(
                    update(PushRow)
                    .values(due_at=await clock(connection))
                    .where(col(PushRow.id) == push.id)
                )
    [push] = await claim(runtime)
    state = await runtime.inbox.read(push, bell(runtime), lambda: runtime.snapshot.plan)
    assert state is PushState.UNREADABLE
    async with runtime.store.read() as connection:
        [bad] = list(await connection.execute(select(table(QuarantineRow))))
    assert f"tried {TRIES} times in vain" in bad.reason
    assert "Won" in bad.raw


async def test_two_workers_share_what_waits(runtime: Runtime) -> None:
    for number in range(6):
        await stored(runtime, {"records": [record(number, "Won")]})

    async def some() -> list[Push]:
        async with runtime.store.write() as connection:
            at = await clock(connection)
            return await claim_pushes(connection, ["bell"], at, LEASE, 3)

    first, second = await asyncio.gather(some(), some())
    assert len({one.id for one in (*first, *second)}) == 6
    async with runtime.store.read() as connection:
        assert (await last_pushes(connection, ["bell", "other"])).keys() == {"bell"}


async def test_trace_tells_what_was_pushed(runtime: Runtime) -> None:
    await stored(runtime, {"records": [record(1, "Won")]})
    [push] = await claim(runtime)
    await runtime.inbox.read(push, bell(runtime), lambda: runtime.snapshot.plan)
    async with runtime.store.read() as connection:
        [told] = await pushes_of(connection, "bell", "r1")
        assert await pushes_of(connection, "bell", "r2") == []
    assert (told.id, told.state) == (push.id, PushState.READ)


async def test_retention_takes_what_was_pushed_long_ago(runtime: Runtime) -> None:
    for number in range(3):
        await stored(runtime, {"records": [record(number, "Won")]})
    for push in (await claim(runtime))[:2]:
        await runtime.inbox.read(push, bell(runtime), lambda: runtime.snapshot.plan)
    old, *_ = await rows(runtime.store)
    async with runtime.store.write() as connection:
        past = now() - timedelta(days=31)
        await connection.execute(
            update(PushRow).where(col(PushRow.id) == old.id).values(received_at=past)
        )
        assert (await count_old(connection, cutoffs(runtime.config, now())))["raw"] == 1
    removed = await Retention(runtime.store, runtime.bus, lambda: runtime.config).once(due=False)
    assert removed is not None
    assert removed.raw == 1
    left = [row.id for row in await rows(runtime.store)]
    assert (len(left), old.id in left) == (2, False)
    async with runtime.store.read() as connection:
        linked = list(await connection.execute(select(table(PushRecordRow))))
    assert [row.push_id in left for row in linked] == [True]
