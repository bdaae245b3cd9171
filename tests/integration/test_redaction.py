"""What is deleted at its source leaves no word behind, in any byte of the database."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.responses import Response

from hub.bus.local import LocalBus
from hub.config import read_config
from hub.connector import AccountRef, Bad, Draft, Page, PersonRef
from hub.ingest import Plan, Reading, ingest
from hub.retention import Retention
from hub.route import Router
from hub.signals import Outcome, Status
from hub.store import Store, log, open_store
from hub.store.attempts import attempts
from hub.store.deliveries import deliveries
from hub.store.relevance import relevance_of
from hub.store.signals import by_external_ids
from tests.everywhere import places
from tests.integration.test_deliveries import Receiver, delivering
from tests.ledger import Book
from tests.running import migrated, until

CANARY = "Zaunkoenig"
T0 = datetime(2026, 11, 2, 9, tzinfo=UTC)
ROLES = """
[roles.sales.interests.keywords]
"zaunkoenig" = 0.3
"""
WORDS: dict[str, Any] = {
    "title": f"{CANARY} title",
    "summary": f"{CANARY} summary",
    "body": f"{CANARY} body " * 2000,  # more than a page of the file
    "url": f"https://x.example/{CANARY}-slug",
    "account": AccountRef(name=f"{CANARY} Ltd", domain=f"{CANARY}.example"),
    "author": PersonRef(name=f"{CANARY} Author", email=f"{CANARY}@us.example"),
    "owner": PersonRef(name="Owner", handle=CANARY),
    "labels": (f"{CANARY} label",),
    "attributes": {CANARY: [CANARY]},
    "thread": f"{CANARY}-thread",
}


def draft(revision: int, **more: Any) -> Draft:
    at = T0 + timedelta(minutes=revision)
    given: dict[str, Any] = {
        "kind": "sales.deal.won", "external_id": "deal/7", "revision": str(revision),
        "revised_at": at, "occurred_at": T0,
    }  # fmt: skip
    return Draft(**(given | more))


@pytest.fixture
def plan() -> Plan:
    return Plan(Router(read_config(ROLES, {}).roles))


async def sweep(store: Store) -> None:
    """Do what the running hub does within half a minute of a deletion."""
    chore = Retention(store, LocalBus(), lambda: read_config("", {}))
    assert await chore.once() is not None, "the deletion made it due"


async def test_no_word_of_a_deleted_record_is_left(database_url: str, plan: Plan) -> None:
    async with open_store(await migrated(database_url)) as store:
        bad = [Bad(f"odd {CANARY}", {"id": 7, "text": CANARY}, "7")]
        for page in (Page([draft(1, **WORDS)], {}, bad), Page([draft(3, **WORDS)], {})):
            await ingest(store, Reading("crm"), page, plan)
        assert await places(store, CANARY)
        gone = draft(4, **(WORDS | {"status": Status.DELETED}))
        await ingest(store, Reading("crm"), Page([gone], {}), plan)
        # An older revision that comes late brings nothing back.
        await ingest(store, Reading("crm"), Page([draft(2, **WORDS)], {}), plan)
        await sweep(store)
        assert await places(store, CANARY) == []

        async with store.read() as connection:
            kept = (await by_external_ids(connection, "crm", ["deal/7"]))["deal/7"]
            reasons = (await relevance_of(connection, [kept.id]))[kept.id]
            lines = await log.after(connection, 0, 9)
        assert (kept.title, kept.status) == ("Deleted at its source", Status.DELETED)
        assert (kept.account, kept.author, kept.owner, kept.url) == (None, None, None, None)
        assert "keyword" not in {why.name for one in reasons for why in one.reasons}
        assert any(one.outcome is not Outcome.NOT_PERMITTED for one in reasons)
        assert [line.now.labels for line in lines] == [(), (), (), ()]
        assert lines[2].was is not None
        assert lines[2].was.labels is None, "whoever may have shown it is told"


async def test_a_record_that_comes_and_goes_in_one_page(database_url: str, plan: Plan) -> None:
    async with open_store(await migrated(database_url)) as store:
        page = Page([draft(1, **WORDS), draft(2, **(WORDS | {"status": Status.DELETED}))], {})
        await ingest(store, Reading("crm"), page, plan)
        await sweep(store)
        assert await places(store, CANARY) == []


async def test_names_that_others_use_stay(database_url: str, plan: Plan) -> None:
    async with open_store(await migrated(database_url)) as store:
        other = draft(1, **(WORDS | {"external_id": "deal/8"}))
        await ingest(store, Reading("crm"), Page([draft(1, **WORDS), other], {}), plan)
        gone = draft(2, title="x", status=Status.DELETED)
        await ingest(store, Reading("crm"), Page([gone], {}), plan)
        await sweep(store)
        async with store.read() as connection:
            kept = (await by_external_ids(connection, "crm", ["deal/8"]))["deal/8"]
        assert kept.account is not None
        assert kept.account.name == f"{CANARY} Ltd"
        assert kept.author is not None


async def test_a_running_hub_forgets_what_receivers_answered(database_url: str) -> None:
    receiver, book = Receiver(), Book()
    receiver.answers = [Response(f"thanks for {CANARY}"), Response(f"no {CANARY}", 500)]
    async with delivering(database_url, receiver, book) as hub:
        store: Store = hub.app.state.runtime.store
        for number in (1, 2):
            book.write(f"{CANARY} {number}", f"deal/{number}")
            await until(lambda number=number: _tried(store, number))
        assert await places(store, CANARY)
        for id_ in ("deal/1", "deal/2"):
            book.write("gone", id_, status="deleted")
        await until(lambda: _all(store, "deleted"))
        await until(lambda: _nowhere(store), within=60)
        async with store.read() as connection:
            tried = [await attempts(connection, one.id) for one in await deliveries(connection)]
        answers = [one for each in tried for one in each if one.status in {200, 500}]
        assert len(answers) >= 2, "that they were sent is still told"
        assert {one.response for one in answers} == {None}


async def test_an_answer_that_comes_after_the_deletion_is_not_kept(database_url: str) -> None:
    receiver, book = Receiver(), Book()
    held = asyncio.Event()

    async def later(scope: Any, receive: Any, send: Any) -> None:
        await held.wait()
        await Response(f"thanks for {CANARY}")(scope, receive, send)

    receiver.answers = [later]  # type: ignore[list-item]  # ty: ignore[invalid-assignment]
    async with delivering(database_url, receiver, book) as hub:
        store: Store = hub.app.state.runtime.store
        book.write(f"{CANARY} buys", "deal/1")
        await until(lambda: receiver.got)
        book.write("gone", "deal/1", status="deleted")
        await until(lambda: _all(store, "deleted"))
        held.set()
        await until(lambda: _tried(store, 1))
        assert CANARY in json.loads(receiver.got[0][1])["data"]["title"]
        await until(lambda: _nowhere(store), within=60)


async def _tried(store: Store, count: int) -> bool:
    async with store.read() as connection:
        sent = await deliveries(connection)
        tried = [await attempts(connection, one.id) for one in sent]
    return len([one for one in tried if one]) >= count > 0


async def _all(store: Store, status: str) -> bool:
    async with store.read() as connection:
        found = await by_external_ids(connection, "ledger", ["deal/1", "deal/2"])
    return {one.status.value for one in found.values()} == {status}


async def _nowhere(store: Store) -> bool:
    found = await places(store, CANARY)
    return not found
