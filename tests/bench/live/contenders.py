"""The hub, which publishes by storing signals; and a broadcast of the same bytes by ASGI alone."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from hub.config import read_config
from hub.connector import AccountRef, Draft, Page
from hub.ingest import Reading, ingest
from hub.settings import Settings
from hub.web.app import make_app
from tests.bench.live.serve import Publication

RAISED: dict[str, Any] = {"max_requests": 10_000_000, "max_streams": 100_000}
PROTOCOL = "graphql-transport-ws"


class Hub:
    """As in production, but for the limits of one key: it has all the sockets."""

    def __init__(self, database: str, redis: str | None, secret: str) -> None:
        given: dict[str, Any] = {"database": database, "secret_key": secret, "redis": redis}
        self.app = make_app(Settings(**given, **RAISED), read_config("", {}))

    async def publish(self, asked: Publication) -> list[float]:
        times = []
        for first in range(asked.first, asked.first + asked.count, asked.page):
            last = min(first + asked.page, asked.first + asked.count)
            runtime = self.app.state.runtime
            drafts = [_draft(number, asked.pad) for number in range(first, last)]
            page = Page(drafts, {})
            await ingest(runtime.store, Reading("hub"), page, runtime.snapshot.plan)
            times += [time.monotonic()] * len(drafts)
            await runtime.bus.tell()
            await asyncio.sleep(asked.every)
        return times


def _draft(number: int, pad: int) -> Draft:
    at = datetime(2026, 11, 2, 9, tzinfo=UTC)
    return Draft(
        kind="sales.deal.won",
        external_id=f"event/{number}",
        revision="1",
        revised_at=at,
        occurred_at=at,
        title=f"Event {number:06d}",
        summary="x" * pad,
        account=AccountRef(name="Acme", domain="acme.example"),
    )


class Raw:
    """Sends each event to every socket that said `subscribe`: no GraphQL, no queue, no database."""

    def __init__(self) -> None:
        self.sends: set[Send] = set()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await receive()
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
        try:
            while (message := await receive())["type"] == "websocket.receive":
                kind = orjson.loads(message["text"])["type"]
                if kind == "connection_init":
                    text = orjson.dumps({"type": "connection_ack"}).decode()
                    await send({"type": "websocket.send", "text": text})
                elif kind == "subscribe":
                    self.sends.add(send)
        finally:
            self.sends.discard(send)

    async def publish(self, asked: Publication) -> list[float]:
        times = []
        for number in range(asked.first, asked.first + asked.count):
            text = asked.template.replace("Event 000000", f"Event {number:06d}")
            times.append(time.monotonic())
            for send in tuple(self.sends):
                await send({"type": "websocket.send", "text": text})
            await asyncio.sleep(asked.every)
        return times
