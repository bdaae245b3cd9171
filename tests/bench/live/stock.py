"""The stream as Strawberry's documentation shows it: a queue and a generator per subscriber."""

import asyncio
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Annotated, Any

import strawberry
from starlette.types import ASGIApp
from strawberry.asgi import GraphQL
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from tests.bench.live.serve import Publication


@strawberry.type
class Account:
    name: str


@strawberry.type
class Source:
    name: str


@strawberry.type
class Signal:
    id: strawberry.ID
    kind: str
    title: str
    summary: str
    severity: str
    status: str
    occurred_at: datetime
    account: Account | None
    source: Source


@strawberry.type
class SignalCreated:
    cursor: str
    signal: Signal


@strawberry.type
class SignalWithdrawn:
    cursor: str


@strawberry.type
class Query:
    nothing: int = 0


SignalEvent = Annotated[SignalCreated | SignalWithdrawn, strawberry.union("SignalEvent")]
queues: set[asyncio.Queue[SignalCreated]] = set()


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def signals(self) -> AsyncGenerator[SignalEvent, None]:
        queue: asyncio.Queue[SignalCreated] = asyncio.Queue()
        queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            queues.discard(queue)


class Stock:
    def __init__(self) -> None:
        schema = strawberry.Schema(query=Query, subscription=Subscription)
        app: Any = GraphQL(schema, subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL])
        self.app: ASGIApp = app

    async def publish(self, asked: Publication) -> list[float]:
        times = []
        for number in range(asked.first, asked.first + asked.count):
            event = _event(number, asked.pad)
            times.append(time.monotonic())
            for queue in queues:
                queue.put_nowait(event)
            await asyncio.sleep(asked.every)
        return times


def _event(number: int, pad: int) -> SignalCreated:
    return SignalCreated(
        cursor="WyJsb2ciLDEwMDAwMF0",
        signal=Signal(
            id=strawberry.ID("019b0000-0000-7000-8000-000000000000"),
            kind="sales.deal.won",
            title=f"Event {number:06d}",
            summary="x" * pad,
            severity="INFO",
            status="OPEN",
            occurred_at=datetime(2026, 11, 2, 9, tzinfo=UTC),
            account=Account(name="Acme"),
            source=Source(name="hub"),
        ),
    )
