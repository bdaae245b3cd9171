"""Leases: a row has one holder while its lease lasts, and is taken over when the holder is gone."""

import asyncio
from datetime import timedelta

import pytest
from starlette.responses import JSONResponse

import hub.lease
from hub.bus.local import LocalBus
from hub.config import read_config
from hub.declared import EndpointConfig
from hub.deliver import RETRIES, Rendered, Sender
from hub.http import Clients
from hub.ingest import Plan
from hub.jobs.local import LocalWaker
from hub.lease import LEASE, Held
from hub.poll import Poller
from hub.route import Router
from hub.signals import now
from hub.signing import new_secret
from hub.store import Store, log, open_store
from hub.store.attempts import attempts
from hub.store.clock import clock
from hub.store.declarations import DeclaredSource, declare_sources
from hub.store.deliveries import (
    Delivery,
    DeliveryState,
    add_deliveries,
    claim_deliveries,
    next_delivery_in,
    prolong_deliveries,
    settle_delivery,
)
from hub.store.endpoints import DeclaredEndpoint, declare_endpoints, endpoint_ids
from hub.store.sources import State, claim_one
from tests.ledger import Book, ledger_config
from tests.running import migrated, until
from tests.servers import serve

ENDED = timedelta(seconds=-1)


async def due_delivery(store: Store) -> None:
    async with store.write() as connection:
        await declare_endpoints(connection, [DeclaredEndpoint("bot", "sales", "print")], now())
        ids = await endpoint_ids(connection)
        await add_deliveries(connection, [(ids["bot"], "signal", 1)], now())


async def claim(store: Store, lease: timedelta = LEASE) -> list[Delivery]:
    async with store.write() as connection:
        return await claim_deliveries(connection, ["bot"], now(), lease, 10, 4)


async def test_a_heartbeat_holds_a_delivery_until_it_is_settled(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.lease, "HEARTBEAT", 0.05)
    held: Held[int] = Held(prolong_deliveries)
    async with open_store(await migrated(database_url)) as store, asyncio.TaskGroup() as tasks:
        await due_delivery(store)
        beat = tasks.create_task(held.beat(store))
        [first] = await claim(store, ENDED)
        with held.hold(first.id, first.attempt):
            await until(lambda: _none_to_claim(store))
            async with store.write() as connection:
                failed = DeliveryState.PENDING
                again = now() + timedelta(milliseconds=300)
                assert await settle_delivery(connection, first, None, failed, now(), again)
            [second] = await until(lambda: claim(store, ENDED))
            assert second.attempt == 2
            # The first holder's beats reach the second attempt no more.
            [third] = await until(lambda: claim(store, ENDED))
        assert third.attempt == 3
        beat.cancel()


async def _none_to_claim(store: Store) -> bool:
    async with store.read() as connection:
        wait = await next_delivery_in(connection, ["bot"])
    return wait is not None and wait > timedelta(0)


async def test_what_is_settled_while_another_claims_is_not_claimed_again(postgres_url: str) -> None:
    """PostgreSQL ranks what is due first and locks it then: here another worker comes between."""
    async with open_store(await migrated(postgres_url)) as store:
        await due_delivery(store)
        async with store.write() as connection:
            await connection.exec_driver_sql("ALTER TABLE endpoints RENAME TO real_endpoints")
            await connection.exec_driver_sql(
                "CREATE VIEW endpoints AS SELECT * FROM real_endpoints"
                " WHERE (SELECT pg_sleep(0.6)::text) IS NOT NULL"
            )
        claiming = asyncio.ensure_future(claim(store))
        await asyncio.sleep(0.2)
        async with store.write() as connection:
            settled = await connection.exec_driver_sql(
                "UPDATE deliveries SET attempt = 1, state = 'delivered', settled_at = now()"
            )
        assert settled.rowcount == 1
        assert not claiming.done()
        assert await claiming == []


async def test_a_try_that_a_restart_cut_off_is_no_try(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does a bug of the hub's end a delivery: it is tried again when any other would be."""

    async def render(endpoint: EndpointConfig, signal: str) -> Rendered | None:
        raise KeyError(endpoint.name, signal)

    table = (
        f'[endpoints.bot]\nrole = "sales"\nurl = "http://127.0.0.1:1"\nsecret = "{new_secret()}"'
    )
    endpoint = read_config(table, {}).endpoints["bot"]
    async with open_store(await migrated(database_url)) as store, Clients() as clients:
        sender = Sender(store, clients, render)
        await due_delivery(store)
        for cut_off in range(2 * len(RETRIES)):
            [delivery] = await claim(store, ENDED)
            assert delivery.attempt == cut_off + 1
        [delivery] = await claim(store)
        assert await sender.attempt(delivery, endpoint) is DeliveryState.PENDING
        async with store.read() as connection:
            [tried] = await attempts(connection, delivery.id)
            wait = await next_delivery_in(connection, ["bot"])
    assert tried.error == "the hub failed: KeyError; its log has more"
    assert "KeyError" in caplog.text
    assert wait is not None
    assert wait <= RETRIES[0] * 1.2


class Died(Exception):
    """The end of a process, as far as the database can tell."""


@pytest.mark.parametrize("last", ["ingest_within", "settle"])
async def test_a_poll_is_settled_with_its_news_or_not_at_all(
    database_url: str, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    """A hub that died between the two would have told nobody, and the next poll neither."""
    book = Book()
    book.answer = JSONResponse({}, 401)
    async with (
        serve(book.app) as vendor,
        open_store(await migrated(database_url)) as store,
        Clients() as clients,
    ):
        config = ledger_config(vendor)
        plan = Plan(Router(config.roles))
        poller = Poller(store, clients, LocalBus(), LocalWaker())

        async def poll() -> None:
            async with store.write() as connection:
                standing = await claim_one(connection, "ledger", await clock(connection), ENDED)
            assert standing is not None
            assert standing.state is State.WAITING
            await poller.poll(config.sources["ledger"], standing, lambda: plan)

        async def told() -> list[str]:
            async with store.read() as connection:
                return [line.now.kind for line in await log.after(connection, 0, 10)]

        async def die(*_: object) -> None:
            raise Died

        async with store.write() as connection:
            ledger = DeclaredSource("ledger", "ledger", "print", None)
            await declare_sources(connection, [ledger], now(), kept={}, own="hub")
        with monkeypatch.context() as patch:
            patch.setattr(f"hub.poll.{last}", die)
            with pytest.raises(Died):
                await poll()
        assert await told() == []
        await poll()
        assert await told() == ["hub.source.auth_failed"]
