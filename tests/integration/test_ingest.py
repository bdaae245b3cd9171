"""The pipeline on both engines: stored once, in order, with the cursor, or not at all."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from hub.config import read_config
from hub.connector import AccountRef, Bad, Draft, Page, PersonRef
from hub.ingest import Plan, Reading, Target, ingest
from hub.kinds import Severity
from hub.route import Router
from hub.signals import ChangeType, Outcome, Status
from hub.store import Store, log, open_store
from hub.store.deliveries import deliveries
from hub.store.endpoints import DeclaredEndpoint, declare_endpoints, endpoint_ids
from hub.store.quarantine import quarantined
from hub.store.relevance import relevance_of
from hub.store.signals import by_external_ids, seen_revisions

T0 = datetime(2026, 11, 2, 9, tzinfo=UTC)
READING = Reading("crm", notify_after=T0 - timedelta(days=1))


def draft(number: int = 1, revision: int | str = 1, **changes: Any) -> Draft:
    given: dict[str, Any] = {
        "kind": "sales.deal.won",
        "external_id": f"deal/{number}",
        "revision": str(revision),
        "revised_at": T0 + timedelta(minutes=revision if isinstance(revision, int) else 1),
        "occurred_at": T0,
        "title": f"Acme buys {number}, version {revision}",
        "body": "They liked it",
        "account": AccountRef(name="Acme", domain="acme.example"),
        "owner": PersonRef(name="Jane Doe", email="jane@us.example"),
        "labels": ("q4",),
        "attributes": {"amount": 1200},
    }
    return Draft(**(given | changes))


@pytest.fixture
async def store(database_url: str) -> AsyncGenerator[Store]:
    async with open_store(database_url) as store:
        yield store


@pytest.fixture
async def plan(store: Store) -> Plan:
    async with store.write() as connection:
        await declare_endpoints(connection, [DeclaredEndpoint("sales-bot", "sales", "")], T0)
        ids = await endpoint_ids(connection)
    target = Target(ids["sales-bot"], frozenset({"sales.*"}), 0.5)
    return Plan(Router(read_config("", {}).roles), {"sales": [target]})


async def kept(store: Store, external_id: str = "deal/1") -> Any:
    async with store.read() as connection:
        return (await by_external_ids(connection, "crm", [external_id]))[external_id]


async def test_a_state_that_goes_on_is_stored_once_by_whatever_time_it_is_named(
    store: Store, plan: Plan
) -> None:
    async def told(*revisions: str) -> list[str]:
        drafts = [draft(1, one, goes_on=True) for one in revisions]
        done = await ingest(store, READING, Page(drafts, {}), plan, at=T0)
        assert done.seen_before == len(revisions) - len(done.signals)
        return [signal.revision for signal in done.signals]

    assert await told("1/open", "2/open") == ["1/open"]
    assert await told("3/open") == []  # from the list, after the webhook
    assert await told("4/shut", "5/shut", "6/open") == ["4/shut", "6/open"]
    assert await told("6/open", "7/open", "8/shut") == ["8/shut"]
    plain = await ingest(store, READING, Page([draft(1, "9/shut")], {}), plan, at=T0)
    assert len(plain.signals) == 1, "only who says so goes on"


async def test_a_draft_becomes_a_signal_with_everything_it_said(store: Store, plan: Plan) -> None:
    done = await ingest(store, READING, Page([draft()], {}), plan, at=T0)
    signal = await kept(store)
    assert signal == done.signals[0]
    assert (signal.account.name, signal.owner.name) == ("Acme", "Jane Doe")
    assert signal.attributes == {"amount": 1200}
    assert signal.labels == ("q4",)
    assert signal.received_at == T0
    assert done.seq == 1


async def test_the_same_page_ten_times_is_stored_once(store: Store, plan: Plan) -> None:
    page = Page([draft(number) for number in range(5)], {})
    first = await ingest(store, READING, page, plan)
    for _ in range(9):
        again = await ingest(store, READING, page, plan)
        assert (len(again.signals), again.seen_before, again.seq) == (0, 5, None)
    async with store.read() as connection:
        assert await log.head(connection) == first.seq == 5
        assert len(await log.after(connection, 0, 100)) == 5


async def test_a_later_revision_replaces_and_an_older_late_one_does_not(
    store: Store, plan: Plan
) -> None:
    await ingest(store, READING, Page([draft(revision=2)], {}), plan)
    before = await kept(store)
    late = await ingest(store, READING, Page([draft(revision=1, title="Old words")], {}), plan)
    assert await kept(store) == before
    assert late.deliveries == ()
    await ingest(store, READING, Page([draft(revision=3, severity=Severity.HIGH)], {}), plan)
    after = await kept(store)
    assert (after.id, after.revision) == (before.id, "3")
    async with store.read() as connection:
        types = [change.type for change in await log.after(connection, 0, 10)]
        assert types == [ChangeType.CREATED, ChangeType.HISTORY, ChangeType.UPDATED]
        seen = await seen_revisions(connection, "crm", ["deal/1"])
    assert seen == {("deal/1", "1"), ("deal/1", "2"), ("deal/1", "3")}


async def test_revisions_of_one_record_in_one_page_are_taken_in_their_order(
    store: Store, plan: Plan
) -> None:
    page = Page([draft(revision=3), draft(revision=1), draft(revision=2)], {})
    done = await ingest(store, READING, page, plan)
    assert (await kept(store)).revision == "3"
    async with store.read() as connection:
        changes = await log.after(connection, 0, 10)
    assert [change.type for change in changes] == [
        ChangeType.CREATED,
        ChangeType.UPDATED,
        ChangeType.UPDATED,
    ]
    assert len(done.deliveries) == 3  # each change is sent, once
    assert changes[1].was == changes[0].now


async def test_what_is_deleted_at_its_source_loses_its_words_everywhere(
    store: Store, plan: Plan
) -> None:
    await ingest(store, READING, Page([draft(title="Canary", body="Canary")], {}), plan)
    gone = draft(revision=2, status=Status.DELETED, title="Canary", body="Canary")
    await ingest(store, READING, Page([gone], {}), plan)
    signal = await kept(store)
    assert (signal.status, signal.body, signal.attributes) == (Status.DELETED, None, {})
    async with store.read() as connection:
        for table in ("signals", "revisions", "changes", "relevance"):
            rows = await connection.exec_driver_sql(f"SELECT * FROM {table}")  # noqa: S608
            assert "Canary" not in repr(rows.all())
    late = draft(revision=0, title="Canary", body="Canary")
    await ingest(store, READING, Page([late], {}), plan)
    async with store.read() as connection:
        rows = await connection.exec_driver_sql("SELECT * FROM revisions")
        assert "Canary" not in repr(rows.all())


async def test_each_role_gets_its_own_decision_with_reasons(store: Store, plan: Plan) -> None:
    done = await ingest(store, READING, Page([draft()], {}), plan)
    async with store.read() as connection:
        found = (await relevance_of(connection, [done.signals[0].id]))[done.signals[0].id]
    by_role = {one.role: one for one in found}
    assert by_role["sales"].outcome is Outcome.SENT
    assert by_role["community"].outcome is Outcome.NOT_PERMITTED
    assert by_role["support"].outcome is Outcome.BELOW_THRESHOLD
    assert {"kind", "department"} <= {why.name for why in by_role["sales"].reasons}
    assert by_role["sales"].score == pytest.approx(
        min(1, sum(why.weight for why in by_role["sales"].reasons))
    )


async def test_history_is_quiet(store: Store, plan: Plan) -> None:
    reading = Reading("crm", notify_after=T0 + timedelta(days=1))
    done = await ingest(store, reading, Page([draft()], {}), plan)
    assert done.deliveries == ()
    async with store.read() as connection:
        found = (await relevance_of(connection, [done.signals[0].id]))[done.signals[0].id]
        assert await deliveries(connection, signal_id=done.signals[0].id) == []
    assert {one.outcome for one in found if one.role == "sales"} == {Outcome.HISTORY}


async def test_an_endpoint_gets_only_the_kinds_it_asked_for(store: Store, plan: Plan) -> None:
    page = Page([draft(1), draft(2, kind="product.release")], {})
    done = await ingest(store, READING, page, plan)
    assert len(done.deliveries) == 1


async def test_one_account_across_names_and_domains(store: Store, plan: Plan) -> None:
    both = draft(1, account=AccountRef(name="Acme", domain="www.ACME.example"))
    by_domain = draft(2, account=AccountRef(name="Acme Inc.", domain="acme.example"))
    by_name = draft(3, account=AccountRef(name="ACME"))
    other = draft(4, account=AccountRef(name="Globex"))
    done = await ingest(store, READING, Page([both, by_domain, by_name, other], {}), plan)
    ids = {signal.external_id: signal.account.id for signal in done.signals if signal.account}
    assert ids["deal/1"] == ids["deal/2"] == ids["deal/3"] != ids["deal/4"]


async def test_bad_records_are_kept_aside_and_counted(store: Store, plan: Plan) -> None:
    page = Page([draft()], {}, [Bad("amount: not a number", {"id": 7, "x": "\ud800\x00"}, "7")])
    for _ in range(3):
        done = await ingest(store, READING, page, plan)
        assert done.quarantined == 1
    async with store.read() as connection:
        [bad] = await quarantined(connection, "crm", 10)
    assert (bad.external_id, bad.reason, bad.seen) == ("7", "amount: not a number", 3)


async def test_text_that_a_database_would_refuse(store: Store, plan: Plan) -> None:
    hostile = draft(
        title="A\x00 title\n<b>x</b>",
        body="\x00x",
        url="javascript:alert(1)",
        attributes={"a\x00": "\x00b", "big": 2**70, "deep": [{"k": "\x00"}]},
    )
    await ingest(store, READING, Page([hostile], {}), plan)
    signal = await kept(store)
    assert signal.title == "A title <b>x</b>"
    assert signal.url is None
    assert signal.attributes == {"a": "b", "big": str(2**70), "deep": [{"k": ""}]}


async def test_attributes_too_large_to_carry_are_quarantined(store: Store, plan: Plan) -> None:
    page = Page([draft(1), draft(2, attributes={"x": "y" * 100_000})], {})
    done = await ingest(store, READING, page, plan)
    assert (len(done.signals), done.quarantined) == (1, 1)


async def test_a_record_brought_twice_at_once_is_stored_once(store: Store, plan: Plan) -> None:
    """A push and a poll of one record meet: neither fails, and the newer revision stays."""
    for number in range(15):
        newer, older = draft(number, revision=2), draft(number, revision=1)
        pages = [Page([one], {}) for one in (newer, older, newer)]
        async with asyncio.TaskGroup() as tasks:
            for page in pages:
                tasks.create_task(ingest(store, READING, page, plan))
        assert (await kept(store, f"deal/{number}")).revision == "2"
    async with store.read() as connection:
        lines = await log.after(connection, 0, 100)
    assert [line.seq for line in lines] == list(range(1, 31))


async def test_no_text_or_time_of_a_record_holds_up_its_page(store: Store, plan: Plan) -> None:
    far = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))
    page = Page(
        [
            draft(1, thread="a\0b", account=AccountRef(name="Ac\0me"), revision="r\0"),
            draft(2, occurred_at=far),
            draft(3, author=PersonRef(name="\0", email="x\0@y.example")),
            draft(4, external_id="\0"),
            draft(5),
        ],
        {},
        [Bad("not\0 good", {"x": 1}, "id\0")],
    )
    done = await ingest(store, READING, page, plan)
    assert (len(done.signals), done.quarantined) == (3, 3)
    assert (await kept(store)).account.name == "Acme"


async def test_what_was_deleted_before_it_was_ever_read_is_told_to_nobody(
    store: Store, plan: Plan
) -> None:
    gone = draft(revision=2, status=Status.DELETED)
    done = await ingest(store, READING, Page([gone], {}), plan)
    assert done.deliveries == ()
    late = await ingest(store, READING, Page([draft(revision=1, body="old")], {}), plan)
    assert late.deliveries == ()
    signal = await kept(store)
    assert (signal.status, signal.body) == (Status.DELETED, None)
    async with store.read() as connection:
        found = (await relevance_of(connection, [signal.id]))[signal.id]
    assert {one.score for one in found} == {0.0}
