"""What real vendors push, through the door of a running hub that polls their twins."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from connectors.twins import Call, Twin
from connectors.twins.alertmanager import Twin as Alertmanager
from connectors.twins.github import Twin as GitHub
from connectors.twins.hubspot import Twin as HubSpot
from connectors.twins.intercom import Twin as Intercom
from connectors.twins.pagerduty import Twin as PagerDuty
from connectors.twins.sentry import Twin as Sentry
from connectors.twins.slack import Twin as Slack
from connectors.twins.slack.events import signed
from connectors.twins.statuspage import Twin as Statuspage
from connectors.twins.zendesk import Twin as Zendesk
from hub.config import Config, SourceConfig, read_config
from hub.connector import now
from hub.registry import find
from hub.store.tables import PushRow, table
from tests.running import Running, running, until
from tests.servers import serve

SIGNALS = "{ signals(first: 50) { edges { node { title status revision externalId } } } }"
TWINS = {
    "slack": Slack,
    "zendesk": Zendesk,
    "hubspot": HubSpot,
    "alertmanager": Alertmanager,
    "github": GitHub,
    "intercom": Intercom,
    "pagerduty": PagerDuty,
    "sentry": Sentry,
    "statuspage": Statuspage,
}


def config(name: str, settings: dict[str, Any], every: timedelta) -> Config:
    kind = find(name)
    base = read_config("", {})
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    source = SourceConfig(name, name, kind.model_validate(settings), every, notify_after=long_ago)
    return replace(base, sources={name: source})


@asynccontextmanager
async def following(database_url: str, twin: Twin, **changes: Any) -> AsyncGenerator[Running]:
    """Run a hub that has read what the twin has, and looks again in an hour unless it is told."""
    twin.pushed_to = f"https://hub.acme.example/push/{twin.connector}"
    async with serve(twin.app) as vendor:
        settings = {**twin.settings(vendor), **changes}
        made = config(twin.connector, settings, timedelta(hours=1))
        async with running(database_url, made, public_url="https://hub.acme.example") as hub:
            await until(lambda: state_is(hub, twin.connector, "OK"))
            yield hub


async def state_is(hub: Running, name: str, state: str) -> bool:
    found = await hub.ask("query($name: String!) { source(name: $name) { state } }", name=name)
    return bool(found["source"]["state"] == state)


async def signals(hub: Running) -> dict[str, Any]:
    edges = (await hub.ask(SIGNALS, "admin"))["signals"]["edges"]
    return {edge["node"]["externalId"]: edge["node"] for edge in edges}


async def send(hub: Running, twin: Twin, call: Call, **headers: str) -> httpx2.Response:
    return await hub.client.request(
        call.method,
        f"/push/{twin.connector}" + (f"?{call.query}" if call.query else ""),
        content=call.body,
        headers={**call.headers, **headers},
    )


async def pushes(hub: Running) -> int:
    async with hub.app.state.runtime.store.read() as connection:
        found = await connection.scalar(select(func.count()).select_from(table(PushRow)))
    return int(found or 0)


@pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)], indirect=True
)
@pytest.mark.parametrize("name", TWINS)
async def test_a_push_brings_in_seconds_what_the_poll_would_in_an_hour(
    database_url: str, name: str
) -> None:
    """On PostgreSQL in `make long`: what is the engine's is also in test_pushes.py."""
    twin = TWINS[name]()
    twin.create(1, now())
    async with following(database_url, twin) as hub:
        await until(lambda: _count_is(hub, 1))
        new = twin.create(2, now())
        call = twin.push(2)
        answer = await send(hub, twin, call)
        assert (answer.status_code, answer.content) == (200, b"")
        await until(lambda: _has(hub, new))
        # Sent once more, as vendors do who have not heard the answer: nothing comes of it.
        assert (await send(hub, twin, call)).status_code == 200
        assert await pushes(hub) == 1
        before = (await signals(hub))[new]
        twin.edit(2, now())
        await send(hub, twin, twin.push(2))
        await until(lambda: _is_another(hub, new, before["revision"]))
        assert len(await signals(hub)) == 2


async def _count_is(hub: Running, count: int) -> bool:
    return len(await signals(hub)) == count


async def _has(hub: Running, name: str) -> bool:
    return name in await signals(hub)


async def _is_another(hub: Running, name: str, revision: str) -> bool:
    return bool((await signals(hub))[name]["revision"] != revision)


@pytest.mark.parametrize("name", TWINS)
async def test_another_secret_another_body_and_no_secret_are_refused(
    tmp_path: Any, name: str
) -> None:
    twin = TWINS[name]()
    twin.create(1, now())
    secret = "client_secret" if name == "hubspot" else "signing_secret"
    database = f"sqlite:///{tmp_path}/hub.db"
    async with following(database, twin) as hub:
        call = twin.push(1)
        other = replace(call, body=call.body.replace(b"1", b"2"))
        if name not in {"alertmanager", "statuspage"}:  # a token signs nothing
            assert (await send(hub, twin, other)).status_code == 401
        setattr(twin, secret, "another-secret-of-the-same-length")
        assert (await send(hub, twin, twin.push(1))).status_code == 401
        assert await pushes(hub) == 0
    async with following(f"sqlite:///{tmp_path}/other.db", twin, **{secret: None}) as hub:
        assert (await send(hub, twin, twin.push(1))).status_code == 404


async def test_slack_is_told_what_it_asks(tmp_path: Any) -> None:
    twin = Slack()
    twin.create(1, now())
    async with following(f"sqlite:///{tmp_path}/hub.db", twin) as hub:
        asked = {"type": "url_verification", "token": "x", "challenge": "3eZbrw1aBm2rZgRNFdxV2595"}
        call = signed(json.dumps(asked).encode(), twin.signing_secret, now())
        answer = await send(hub, twin, call)
        assert (answer.status_code, answer.text) == (200, asked["challenge"])
        stale = signed(call.body, twin.signing_secret, now() - timedelta(minutes=6))
        assert (await send(hub, twin, stale)).status_code == 401
        assert await pushes(hub) == 0


async def test_slack_tells_of_deletions_that_no_poll_sees(database_url: str) -> None:
    """Of a channel that is listed by its id, also a message with replies; older than look_back."""
    twin = Slack()
    old = now() - timedelta(days=2)
    gone, answered = twin.create(1, old), twin.create(2, old)
    channel, _, parent = answered.partition("/")
    twin.emit({"channel": channel, "thread_ts": parent, "text": "a reply", "at": now().isoformat()})
    async with following(database_url, twin, channels=[channel]) as hub:
        await until(lambda: _count_is(hub, 3))
        for number in (1, 2):
            twin.delete(number, now())
            await send(hub, twin, twin.push(number))
        await until(lambda: _are_deleted(hub, gone, answered))
        again = twin.push(1)
        await send(hub, twin, again)
        assert len(await signals(hub)) == 3


async def _are_deleted(hub: Running, *names: str) -> bool:
    found = await signals(hub)
    return all(found[name]["status"] == "DELETED" for name in names)


async def test_hubspot_tells_of_deals_that_are_gone(database_url: str) -> None:
    twin = HubSpot()
    deal = twin.create(1, now())
    async with following(database_url, twin) as hub:
        await until(lambda: _count_is(hub, 1))
        twin.delete(1, now() + timedelta(seconds=1))
        await send(hub, twin, twin.push(1))
        await until(lambda: _are_deleted(hub, deal))
        call = twin.push(1)
        old = {"x-hubspot-signature": call.headers["x-hubspot-signature"]}
        answer = await send(hub, twin, Call(call.body, old))  # as older apps sign
        assert answer.status_code == 200


async def test_grafana_signs_and_alertmanager_shows_a_password(tmp_path: Any) -> None:
    twin = Alertmanager()
    twin.create(1, now())
    secret = twin.signing_secret.encode()
    settings: dict[str, Any] = {"signed_at": "X-Grafana-At"}
    async with following(f"sqlite:///{tmp_path}/hub.db", twin, **settings) as hub:
        body, stamp = twin.push(1).body, str(int(now().timestamp()))
        digest = hmac.new(secret, f"{stamp}:".encode() + body, hashlib.sha256).hexdigest()
        headers = {"X-Grafana-Alerting-Signature": digest, "X-Grafana-At": stamp}
        assert (await send(hub, twin, Call(body, headers))).status_code == 200
        del headers["X-Grafana-At"]
        assert (await send(hub, twin, Call(body, headers))).status_code == 401
        pair = base64.b64encode(b"hub:" + secret).decode()
        basic = Call(body + b" ", {"Authorization": f"Basic {pair}"})
        assert (await send(hub, twin, basic)).status_code == 200
        wrong = base64.b64encode(b"other:" + secret).decode()
        refused = Call(body, {"Authorization": f"Basic {wrong}"})
        assert (await send(hub, twin, refused)).status_code == 401


async def test_what_is_no_event_is_said_to_the_vendor(tmp_path: Any) -> None:
    twin = Slack()
    twin.create(1, now())
    async with following(f"sqlite:///{tmp_path}/hub.db", twin) as hub:
        for body in (b"[]", b"{", b"\xff"):
            call = signed(body, twin.signing_secret, now())
            assert (await send(hub, twin, call)).status_code == 400, body
