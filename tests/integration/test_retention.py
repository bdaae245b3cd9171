"""Retention on both engines: what is old goes, followers learn of it, and nobody waits for it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlmodel import SQLModel, col

from hub.bus.local import LocalBus
from hub.config import Config, read_config
from hub.connector import AccountRef, Bad, Draft, Page, PersonRef
from hub.graphql.relay import read_log_cursor
from hub.ingest import Plan, Reading, Target, ingest
from hub.retention import SIGNALS, Removed, Retention
from hub.route import Router
from hub.signals import ChangeType, Status, now
from hub.store import Store, log, open_store
from hub.store.attempts import Attempt
from hub.store.chores import RETENTION, claim_chore, next_chore_in
from hub.store.deliveries import (
    DeliveryState,
    claim_deliveries,
    settle_delivery,
)
from hub.store.endpoints import DeclaredEndpoint, declare_endpoints, endpoint_ids
from hub.store.tables import (
    AccountKeyRow,
    AccountRow,
    AttemptRow,
    ChangeRow,
    DeliveryRow,
    PersonKeyRow,
    PersonRow,
    QuarantineRow,
    RelevanceRow,
    RevisionRow,
    SignalRow,
)
from tests.cli import Folder, Here, in_this_process
from tests.ledger import Book, ledger_config
from tests.running import Running, hear, running, say, until
from tests.servers import serve

CONFIG = read_config(
    '[sources.crm]\nconnector = "rss"\nurl = "https://a.example"\nkeep="30d"\n', {}
)
OLD = timedelta(days=31)
ALL = (
    SignalRow, RevisionRow, RelevanceRow, ChangeRow, DeliveryRow, AttemptRow, QuarantineRow,
    AccountRow, AccountKeyRow, PersonRow, PersonKeyRow,
)  # fmt: skip


def draft(number: int, **changes: Any) -> Draft:
    at = now()
    given: dict[str, Any] = {
        "kind": "sales.deal.won",
        "external_id": f"deal/{number}",
        "revision": "1",
        "revised_at": at,
        "occurred_at": at,
        "title": f"Deal {number}",
        "account": AccountRef(name=f"Account {number}", domain=f"a{number}.example"),
        "author": PersonRef(name=f"Author {number}", email=f"p{number}@us.example"),
        "owner": PersonRef(name="Jane Doe", handle="jane"),
        "labels": ("q4",),
    }
    return Draft(**(given | changes))


@pytest.fixture
async def store(database_url: str) -> AsyncGenerator[Store]:
    async with open_store(database_url) as store:
        yield store


async def plan(store: Store) -> Plan:
    async with store.write() as connection:
        await declare_endpoints(connection, [DeclaredEndpoint("bot", "sales", "")], now())
        ids = await endpoint_ids(connection)
    target = Target(ids["bot"], frozenset({"*"}), 0.5)
    return Plan(Router(read_config("", {}).roles), {"sales": [target]})


async def put(store: Store, *drafts: Draft, ago: timedelta = timedelta(0), **more: Any) -> None:
    page = Page(list(drafts), {}, **more)
    await ingest(store, Reading("crm"), page, await plan(store), at=now() - ago)


async def counts(store: Store, *rows: type[SQLModel]) -> dict[str, int]:
    async with store.read() as connection:
        return {
            str(row.__tablename__): await connection.scalar(select(func.count()).select_from(row))
            or 0
            for row in rows or ALL
        }


def retention(store: Store, config: Config = CONFIG) -> Retention:
    return Retention(store, LocalBus(), lambda: config)


async def test_an_old_signal_goes_with_all_that_hangs_on_it(store: Store) -> None:
    old = [draft(1), draft(2)]
    await put(store, *old, ago=OLD)
    await put(store, draft(3, account=AccountRef(name="Account 2", domain="a2.example")))
    async with store.write() as connection:
        [one] = await claim_deliveries(connection, ["bot"], now() - OLD, timedelta(0), 1, 1)
        tried = Attempt(one.attempt, now(), 1.0, 500, "down", "you said Deal 1")
        await settle_delivery(connection, one, tried, DeliveryState.PENDING, now(), now())

    removed = await retention(store).once()
    assert removed == Removed(signals=2, deliveries=2, strangers=3)
    left = await counts(store)
    assert left == {
        "signals": 1, "revisions": 1, "relevance": 6, "changes": 5, "deliveries": 1,
        "attempts": 0, "quarantine": 0, "accounts": 1, "account_keys": 2, "people": 2,
        "person_keys": 2,
    }  # fmt: skip
    async with store.read() as connection:
        lines = await log.after(connection, 0, 10)
    expired = [line for line in lines if line.type is ChangeType.EXPIRED]
    assert [line.seq for line in lines] == [1, 2, 3, 4, 5]
    assert {line.signal_id for line in expired} == {line.signal_id for line in lines[:2]}
    for line in expired:
        assert line.was is not None
        assert line.was.labels is None
        assert line.was.scores["sales"] > 0.5
    assert [line.now.labels for line in lines[:3]] == [(), (), ("q4",)]


async def test_a_change_meanwhile_keeps_a_signal(store: Store) -> None:
    await put(store, draft(1), ago=OLD)
    await put(store, draft(1, revision="2", title="Alive"))
    assert (await retention(store).once() or Removed()).signals == 0
    assert (await counts(store, SignalRow))["signals"] == 1


async def test_a_tombstone_is_kept_as_long_as_the_log(store: Store) -> None:
    await put(store, draft(1, status=Status.DELETED), ago=timedelta(days=91))
    await put(store, draft(2), draft(3, status=Status.DELETED), ago=timedelta(days=89))
    removed = await retention(store, read_config("", {})).once()
    assert removed is not None
    assert removed.signals == 1
    assert (await counts(store, SignalRow))["signals"] == 2


async def test_the_log_raw_records_and_deliveries_have_ages_of_their_own(store: Store) -> None:
    await put(store, draft(1), ago=timedelta(days=91), bad=[Bad("odd", {"id": 1})])
    await put(store, draft(2), ago=timedelta(days=29), bad=[Bad("odd", {"id": 2})])
    async with store.write() as connection:
        for one in await claim_deliveries(connection, ["bot"], now(), timedelta(0), 9, 9):
            tried = Attempt(one.attempt, now(), 1.0, 204, None, None)
            ago = timedelta(days=31 if one.seq == 1 else 29)
            settled = now() - ago
            await settle_delivery(connection, one, tried, DeliveryState.DELIVERED, settled)
    removed = await retention(store, read_config("", {})).once()
    assert removed == Removed(log=1, raw=1, deliveries=1)
    left = await counts(store, SignalRow, ChangeRow, QuarantineRow, DeliveryRow, AttemptRow)
    assert left == {"signals": 2, "changes": 1, "quarantine": 1, "deliveries": 1, "attempts": 1}


async def test_a_delivery_that_waited_in_vain_goes_too(store: Store) -> None:
    await put(store, draft(1), ago=timedelta(days=31))
    await put(store, draft(2), ago=timedelta(days=29))
    removed = await retention(store, read_config("", {})).once()
    assert removed == Removed(deliveries=1)


async def test_what_its_source_still_shows_does_not_come_back(store: Store) -> None:
    old = now() - OLD
    again = draft(1, revised_at=old, occurred_at=old)
    await put(store, again, ago=OLD)
    assert (await retention(store).once() or Removed()).signals == 1
    keeping = Plan((await plan(store)).router, {}, CONFIG.keeps)
    done = await ingest(store, Reading("crm"), Page([again, draft(2)], {}), keeping)
    assert (len(done.signals), done.too_old) == (1, 1)
    assert (await counts(store, SignalRow))["signals"] == 1


async def test_one_process_does_the_chore_and_a_dead_one_is_followed(store: Store) -> None:
    chore = retention(store)
    async with store.write() as connection:
        lease = await claim_chore(connection, RETENTION, timedelta(seconds=1))
    assert lease is not None
    assert await chore.once() is None
    assert await chore.once(due=False) is None
    assert await until(chore.once, within=10) == Removed()
    async with store.read() as connection:
        due = await next_chore_in(connection, RETENTION)
    assert timedelta(minutes=59) < due < timedelta(hours=1)
    assert await chore.once() is None, "not due"
    assert await chore.once(due=False) == Removed(), "asked for"


async def test_a_chore_that_is_cancelled_is_due_again_at_once(store: Store) -> None:
    await put(store, *(draft(number) for number in range(40)), ago=OLD)
    chore = retention(store)
    task = asyncio.ensure_future(chore.once())
    await until(lambda: _is_claimed(store))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    removed = await chore.once()
    assert removed is not None
    assert (await counts(store, SignalRow))["signals"] == 0


async def _is_claimed(store: Store) -> bool:
    async with store.read() as connection:
        return await next_chore_in(connection, RETENTION) > timedelta(0)


async def test_an_ingest_waits_for_one_batch_at_most(store: Store) -> None:
    """A page stored beside a large run is held up by a batch, not by the run."""
    for start in range(0, 6 * SIGNALS, SIGNALS):
        await put(store, *(draft(start + number) for number in range(SIGNALS)), ago=OLD)
    alone = [await _seconds_to_put(store, 100_000 + number) for number in range(5)]
    began = time.monotonic()
    running = asyncio.ensure_future(retention(store).once())
    beside: list[float] = []
    while not running.done():
        beside.append(await _seconds_to_put(store, 200_000 + len(beside)))
    whole = time.monotonic() - began
    assert (await running or Removed()).signals == 6 * SIGNALS
    # At least one page got through between every two batches, and none waited for the run.
    assert len(beside) >= 6, beside
    assert max(beside) < max(alone) + whole / 2, (alone, beside, whole)


async def _seconds_to_put(store: Store, number: int) -> float:
    began = time.monotonic()
    await put(store, draft(number))
    return time.monotonic() - began


FEED = """
subscription Feed($after: String) {
  feed(role: "sales", after: $after, minScore: 0) {
    __typename
    ... on FeedCreated { cursor signal { id } }
    ... on FeedWithdrawn { cursor signalId }
    ... on CursorExpired { oldest }
  }
}
"""
LABELLED = """
subscription { signals(filter: {labels: ["q4"]}) {
  __typename ... on SignalWithdrawn { signalId } } }
"""
CHANGES = """
query Changes($after: String) { changes(after: $after) {
  edges { cursor node { type signalId title signal { id } } } pageInfo { endCursor } } }
"""


@pytest.fixture
async def hub(database_url: str) -> AsyncGenerator[tuple[Running, Book]]:
    book = Book()
    async with serve(book.app) as vendor:
        config = ledger_config(vendor, keep=timedelta(days=30))
        async with running(database_url, config) as hub:
            yield hub, book


async def _age(hub: Running, by: timedelta) -> None:
    """Let time pass: everything that is stored was stored earlier."""
    async with hub.app.state.runtime.store.write() as connection:
        signals = await connection.execute(select(col(SignalRow.id), col(SignalRow.updated_at)))
        for row in signals.all():
            earlier = update(SignalRow).where(col(SignalRow.id) == row.id)
            await connection.execute(earlier.values(updated_at=row.updated_at - by))
        lines = await connection.execute(select(col(ChangeRow.seq), col(ChangeRow.at)))
        for line in lines.all():
            before = update(ChangeRow).where(col(ChangeRow.seq) == line.seq)
            await connection.execute(before.values(at=line.at - by))


async def _expire(hub: Running) -> Removed:
    runtime = hub.app.state.runtime
    chore = Retention(runtime.store, runtime.bus, lambda: runtime.config)
    removed = await chore.once(due=False)
    assert removed is not None
    return removed


async def test_followers_learn_that_a_signal_expired(hub: tuple[Running, Book]) -> None:
    served, book = hub
    async with served.socket() as socket:
        for id_, query in (("1", FEED), ("2", LABELLED)):
            await say(socket, type="subscribe", id=id_, payload={"query": query})
        await asyncio.sleep(0.1)
        book.write("Acme buys", "deal/1", labels=["q4"])
        created = {one["id"]: one["payload"]["data"] for one in [await hear(socket) for _ in "12"]}
        id_ = created["1"]["feed"]["signal"]["id"]
        await _age(served, OLD)
        assert (await _expire(served)).signals == 1
        gone = {one["id"]: one["payload"]["data"] for one in [await hear(socket) for _ in "12"]}
    assert gone["1"]["feed"]["__typename"] == "FeedWithdrawn"
    assert gone["2"]["signals"]["__typename"] == "SignalWithdrawn"
    assert gone["1"]["feed"]["signalId"] == gone["2"]["signals"]["signalId"] == id_
    edges = (await served.ask(CHANGES))["changes"]["edges"]
    assert [one["node"] for one in edges] == [
        {"type": "CREATED", "signalId": id_, "title": None, "signal": None},
        {"type": "EXPIRED", "signalId": id_, "title": None, "signal": None},
    ]
    asked = await served.ask("query Node($id: ID!) { node(id: $id) { id } }", id=id_)
    assert asked["node"] is None


async def test_a_cursor_older_than_the_log_is_told_so(hub: tuple[Running, Book]) -> None:
    served, book = hub
    for number in range(5):
        book.write(f"Deal {number}", f"deal/{number}")
    edges = (await until(lambda: _changes(served, 5)))["edges"]
    await _age(served, timedelta(days=91))
    removed = await _expire(served)
    assert (removed.log, removed.signals) == (5, 5)
    # The five lines that say what expired are all there is; a cursor before them leads nowhere.
    first, last = edges[0]["cursor"], edges[-1]["cursor"]
    reply = await served.reply(CHANGES, after=first)
    [error] = reply["errors"]
    assert error["extensions"]["code"] == "CURSOR_EXPIRED"
    assert error["extensions"]["oldest"] == last
    left = (await served.ask(CHANGES, after=last))["changes"]["edges"]
    assert {one["node"]["type"] for one in left} == {"EXPIRED"}
    async with served.socket() as socket:
        payload = {"query": FEED, "variables": {"after": first}}
        await say(socket, type="subscribe", id="1", payload=payload)
        expired = (await hear(socket))["payload"]["data"]["feed"]
        assert expired["__typename"] == "CursorExpired"
        assert read_log_cursor(expired["oldest"]) == read_log_cursor(last)

    # Of a quiet hub nothing may be left at all: the newest cursor still works, others do not.
    await _age(served, timedelta(days=91))
    assert (await _expire(served)).log == 5
    newest = left[-1]["cursor"]
    page = (await served.ask(CHANGES, after=newest))["changes"]
    assert page == {"edges": [], "pageInfo": {"endCursor": newest}}
    assert (await served.reply(CHANGES, after=last))["errors"]


async def _changes(hub: Running, count: int) -> Any:
    found = (await hub.ask(CHANGES))["changes"]
    return found if len(found["edges"]) == count else None


@pytest.fixture
def here(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Generator[Here]:
    folder = Folder(tmp_path, {"HUB_DATABASE": database_url, "HUB_SECRET_KEY": "k" * 40})
    folder.write('[retention]\nsignals = "30d"\n')
    with in_this_process(folder, monkeypatch, capsys) as run:
        yield run


async def test_the_command_counts_and_deletes(store: Store, here: Here) -> None:
    await put(store, draft(1), draft(2), ago=OLD)
    counted = await asyncio.to_thread(here, "retain", "--dry-run", "--json")
    assert counted.json == {"dry_run": True, "signals": 2, "log": 0, "raw": 0, "deliveries": 2}
    assert (await counts(store, SignalRow))["signals"] == 2
    done = await asyncio.to_thread(here, "retain")
    assert done.code == 0, done.err
    assert done.out.startswith("deleted 2 signals, 0 lines of the log")
    assert (await counts(store, SignalRow, DeliveryRow)) == {"signals": 0, "deliveries": 0}
    async with store.write() as connection:
        await claim_chore(connection, RETENTION, timedelta(minutes=1), due=False)
    assert "at this moment" in (await asyncio.to_thread(here, "retain")).out
