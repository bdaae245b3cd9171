"""Leases: a row has one holder while its lease lasts, and is taken over when the holder is gone."""

import asyncio
from datetime import timedelta

import pytest

import hub.lease
from hub.config import read_config
from hub.declared import EndpointConfig
from hub.deliver import RETRIES, Rendered, Sender
from hub.http import Clients
from hub.lease import LEASE, Held
from hub.signals import now
from hub.signing import new_secret
from hub.store import Store, open_store
from hub.store.attempts import attempts
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
from tests.running import migrated, until

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
