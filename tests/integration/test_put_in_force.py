"""What a changed hub.toml does to what is stored: nothing is lost, and nobody is woken."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hub.config import Config, read_config
from hub.connector import Draft, Page
from hub.ingest import Reading, ingest
from hub.ingest.rescore import rescore
from hub.signals import Outcome, now
from hub.snapshot import Snapshot, is_judged, judge_anew, put_in_force, roles_digest
from hub.store import Store, open_store
from hub.store.deliveries import deliveries
from hub.store.relevance import relevance_of
from hub.store.snapshots import apply
from hub.store.sources import State, claim_one, save_cursor, settle, standings
from tests.ledger import Ledger, ledger_config

ENDPOINT = '[endpoints.bot]\nrole = "ops"\nurl = "https://bot.example"\nsecret = "whsec_eA=="\n'
OPS = '[roles.ops.interests.kinds]\n"ops.*" = 0.9\n'


@pytest.fixture
async def store(database_url: str) -> AsyncGenerator[Store]:
    async with open_store(database_url) as store:
        yield store


async def put(store: Store, config: Config) -> Snapshot:
    return (await put_in_force(store, config)).snapshot


async def alert(store: Store, snapshot: Snapshot, number: int, **changes: Any) -> str:
    given: dict[str, Any] = {
        "kind": "ops.alert.firing",
        "external_id": str(number),
        "revision": "1",
        "revised_at": now(),
        "occurred_at": now(),
        "title": f"Alert {number}",
    }
    draft = Draft(**(given | changes))
    done = await ingest(store, Reading("mon"), Page([draft], {}), snapshot.plan)
    return done.signals[0].id


async def outcomes(store: Store, id_: str) -> dict[str, Outcome]:
    async with store.read() as connection:
        found = await relevance_of(connection, [id_])
    return {one.role: one.outcome for one in found[id_]}


async def test_a_new_role_finds_the_past_judged_and_gets_nothing_pushed(store: Store) -> None:
    before = await put(store, read_config("", {}))
    recent = await alert(store, before, 1)
    long_ago = now() - timedelta(days=90)
    old = await alert(store, before, 2, occurred_at=long_ago)
    after = await put(store, read_config(OPS + ENDPOINT, {}))
    assert (await outcomes(store, recent))["ops"] is Outcome.HISTORY
    assert "ops" not in await outcomes(store, old), "beyond the 30 days that are judged anew"
    async with store.read() as connection:
        assert await deliveries(connection) == []
    fresh = await alert(store, after, 3)
    assert (await outcomes(store, fresh))["ops"] is Outcome.SENT
    async with store.read() as connection:
        [one] = await deliveries(connection)
    assert one.signal_id == fresh


async def test_many_signals_are_judged_anew_in_batches(store: Store) -> None:
    before = await put(store, read_config("", {}))
    at = now()
    drafts = [
        Draft(
            kind="ops.alert.firing",
            external_id=str(number),
            revision="1",
            revised_at=at,
            occurred_at=at,  # all at one time: the batches must not stumble over ties
            title=f"Alert {number}",
        )
        for number in range(450)
    ]
    await ingest(store, Reading("mon"), Page(drafts, {}), before.plan)
    await put_in_force(store, read_config(OPS, {}))
    async with store.read() as connection:
        rows = await connection.exec_driver_sql(
            "SELECT count(*) FROM relevance WHERE role = 'ops' AND outcome = 'history'"
        )
        assert rows.scalar() == 450


async def test_who_died_judging_is_stood_in_for_and_who_was_overtaken_stops(store: Store) -> None:
    before = await put(store, read_config("", {}))
    id_ = await alert(store, before, 1)
    config = read_config(OPS, {})
    plan = (await put(store, config)).plan
    assert await is_judged(store, config)
    doing = f"{roles_digest(before.config)}, under way"
    for since, judged in ((timedelta(0), False), (timedelta(seconds=60), None)):
        async with store.write() as connection:
            await apply(connection, "roles", doing, now() - since)
        assert await is_judged(store, before.config) is judged
    assert not await rescore(store, plan.router, f"{roles_digest(config)}, under way")
    assert "ops" in await outcomes(store, id_), "as it was"
    await judge_anew(store, before.config, before.plan)
    assert await is_judged(store, before.config)
    assert "ops" not in await outcomes(store, id_)


def test_the_order_of_roles_does_not_tell_them_apart() -> None:
    config = read_config(OPS, {})
    turned = replace(config, roles=dict(sorted(config.roles.items())))
    assert list(turned.roles) != list(config.roles)
    assert roles_digest(turned) == roles_digest(config)


async def test_what_was_sent_stays_sent_and_a_role_that_goes_is_forgotten(store: Store) -> None:
    before = await put(store, read_config(OPS, {}))
    one = await alert(store, before, 1)
    assert (await outcomes(store, one))["ops"] is Outcome.SENT
    await put_in_force(store, read_config(OPS + "[roles.ops]\nthreshold = 0.6\n", {}))
    assert (await outcomes(store, one))["ops"] is Outcome.SENT
    await put_in_force(store, read_config("", {}))
    assert "ops" not in await outcomes(store, one)


async def _standing(store: Store, name: str = "ledger") -> Any:
    async with store.read() as connection:
        [one] = await standings(connection, name)
    return one


async def test_a_source_keeps_its_cursor_whatever_changes(store: Store) -> None:
    config = ledger_config("http://127.0.0.1:1")
    await put_in_force(store, config)
    async with store.write() as connection:
        held = await claim_one(connection, "ledger", now(), timedelta(seconds=30))
        assert held is not None
        assert held.lease is not None
        assert await save_cursor(connection, "ledger", held.lease, {"after": 7}, now())
        stopped = {"state": State.AUTH_FAILED, "failures": 3, "next_poll_at": None}
        assert await settle(connection, "ledger", held.lease, stopped)
        assert not await settle(connection, "ledger", held.lease, stopped), "a late settle"
    await put_in_force(store, config)
    assert (await _standing(store)).next_poll_at is None, "the same configuration mends nothing"
    moved = ledger_config("http://127.0.0.1:2")
    await put_in_force(store, moved)
    mended = await _standing(store)
    assert mended.next_poll_at is not None
    assert mended.cursor == {"after": 7}
    await put_in_force(store, _without_sources(moved))
    assert (await _standing(store)).state is State.REMOVED
    await put_in_force(store, moved)
    back = await _standing(store)
    assert (back.state, back.cursor) == (State.WAITING, {"after": 7})
    async with store.read() as connection:
        [own] = await standings(connection, "hub")
    assert own.state is State.OK, "the hub's own source is in no file, and never removed"


def _without_sources(config: Config) -> Config:
    return replace(config, sources={})


async def test_a_changed_secret_mends_a_source_that_was_locked_out(store: Store) -> None:
    config = ledger_config("http://127.0.0.1:1")
    await put_in_force(store, config)
    async with store.write() as connection:
        held = await claim_one(connection, "ledger", now(), timedelta(seconds=30))
        assert held is not None
        assert held.lease is not None
        again = await claim_one(connection, "ledger", now(), timedelta(seconds=30))
        assert again is None, "one worker at a time"
        stopped = {"state": State.AUTH_FAILED, "failures": 1, "next_poll_at": None}
        await settle(connection, "ledger", held.lease, stopped)
    other = ledger_config(
        "http://127.0.0.1:1",
        connector=Ledger.model_validate({"url": "http://127.0.0.1:1", "token": "another"}),
    )
    await put_in_force(store, other)
    assert (await _standing(store)).next_poll_at is not None
    async with store.read() as connection:
        rows = await connection.exec_driver_sql("SELECT * FROM sources")
        assert "another" not in repr(rows.all()), "no secret is stored"
