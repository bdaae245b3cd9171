"""One attempt of a delivery: render, sign, send, settle, schedule the next."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from hub import metrics, traces
from hub.declared import EndpointConfig
from hub.deliver.event import cloud_event
from hub.errors import (
    DeliveryError,
    EndpointGone,
    EndpointUnavailable,
    HubError,
    StoreUnavailable,
)
from hub.http import Clients, Guard, Sent
from hub.lease import Held
from hub.logs import about
from hub.signals import Signal, now
from hub.signing import sign
from hub.store import Connection, Store
from hub.store.attempts import Attempt, count_attempts
from hub.store.clock import clock
from hub.store.deliveries import (
    Delivery,
    DeliveryState,
    give_back,
    prolong_deliveries,
    settle_delivery,
)
from hub.store.endpoints import disable_endpoint

RETRIES = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 36_000)
)
LONGEST_RETRY_AFTER = timedelta(hours=24)
JITTER = 0.2
PER_ENDPOINT = 4  # under way at once to one endpoint

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What an endpoint asked to be told about a signal, as its role sees it now."""

    signal: Signal
    data: Mapping[str, Any]


# Given the endpoint and the signal's id; None when the role may not see it (any more).
Render: TypeAlias = Callable[[EndpointConfig, str], Awaitable[Rendered | None]]


@dataclass(frozen=True, slots=True)
class Sender:
    """Everything a delivery needs; one for the process."""

    store: Store
    clients: Clients
    render: Render
    public_url: str | None = None
    _held: Held[int] = field(default_factory=lambda: Held(prolong_deliveries))

    async def attempt(self, delivery: Delivery, endpoint: EndpointConfig) -> DeliveryState:
        """Try a claimed delivery once and settle it.

        Raises StoreUnavailable; then it is still held, see `give_back`.
        """
        timed = metrics.timed(metrics.delivery_seconds.labels(delivery.endpoint))
        facts: dict[str, Any] = {
            "delivery": delivery.id,
            "endpoint": endpoint.name,
            "signal": delivery.signal_id,
            "attempt": delivery.attempt,
        }
        traced = traces.span("deliver", "consumer", delivery.trace, **facts)
        held = self._held.hold(delivery.id, delivery.attempt)
        with held, timed, about(**facts), traced as spanned:
            state = await self._attempt(delivery, endpoint)
            spanned.tell(outcome=state)
        outcome = "failed" if state is DeliveryState.PENDING else state
        metrics.deliveries.labels(delivery.endpoint, outcome).inc()
        return state

    async def beat(self) -> None:
        """Keep the leases of the attempts under way alive, until cancelled."""
        await self._held.beat(self.store)

    async def _attempt(self, delivery: Delivery, endpoint: EndpointConfig) -> DeliveryState:
        at = now()
        rendered: Rendered | None = None
        try:
            with traces.span("render"):
                rendered = await self.render(endpoint, delivery.signal_id)
            if rendered is None:
                return await self._done(delivery, None, DeliveryState.WITHDRAWN)
            body = cloud_event(rendered.signal, delivery.seq, rendered.data, self.public_url)
            sent = await self._send(endpoint, delivery, body, at)
        except StoreUnavailable:
            raise
        except asyncio.CancelledError:
            await self.give_back(delivery)
            raise
        except DeliveryError as error:
            return await self._failed(delivery, endpoint, error, at, rendered)
        except (HubError, ValueError) as error:
            # It could not even be written: a failed attempt like any other, for a person to see.
            failure = DeliveryError(str(error))
            return await self._failed(delivery, endpoint, failure, at, rendered)
        except Exception as error:
            # A bug of ours is retried on schedule too, not whenever the lease ends.
            logger.exception("a delivery could not be tried")
            failure = DeliveryError(f"the hub failed: {type(error).__name__}; its log has more")
            return await self._failed(delivery, endpoint, failure, at, rendered)
        tried = _tried(delivery, at, sent=sent)
        return await self._done(delivery, tried, DeliveryState.DELIVERED, rendered)

    async def give_back(self, delivery: Delivery) -> None:
        """Leave a claimed delivery to whoever can send it."""
        async with self.store.write() as connection:
            await give_back(connection, delivery)

    async def _send(
        self, endpoint: EndpointConfig, delivery: Delivery, body: bytes, at: datetime
    ) -> Sent:
        assert endpoint.secret is not None, "only what this process can sign is claimed"
        signature = sign([endpoint.secret.get_secret_value()], delivery.id, at, body)
        headers = {
            **endpoint.headers,
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            **signature,
        }
        sent = await self.clients.send(str(endpoint.url), body, headers, guard=Guard.operator())
        if 200 <= sent.status < 300:
            return sent
        facts: dict[str, Any] = {"status": sent.status, "body": sent.body}
        facts["retry_after"] = sent.retry_after
        if sent.status == 410:
            raise EndpointGone("the endpoint answered 410 Gone", **facts)
        if 300 <= sent.status < 400:
            raise EndpointUnavailable(f"it redirects ({sent.status}): not followed", **facts)
        raise EndpointUnavailable(f"the endpoint answered {sent.status}", **facts)

    async def _failed(
        self,
        delivery: Delivery,
        endpoint: EndpointConfig,
        error: DeliveryError,
        at: datetime,
        rendered: Rendered | None,
    ) -> DeliveryState:
        tried = _tried(delivery, at, error=str(error), status=error.status, body=error.body)
        facts = {"endpoint": endpoint.name, "delivery": delivery.id, "error": str(error)}
        logger.warning("a delivery failed", extra={**facts, "attempt": delivery.attempt})
        gone = isinstance(error, EndpointGone)
        async with self.store.write() as connection:
            # Tries that ended: one that was cut off by a restart of the hub uses up none.
            tries = await count_attempts(connection, delivery.id) + 1
            wait = None if gone else next_attempt_in(tries, error.retry_after)
            state = DeliveryState.DEAD if wait is None else DeliveryState.PENDING
            if gone:
                await disable_endpoint(connection, endpoint.name, str(error), at)
            await self._settle(connection, delivery, tried, state, rendered, wait)
        return state

    async def _done(
        self,
        delivery: Delivery,
        tried: Attempt | None,
        state: DeliveryState,
        rendered: Rendered | None = None,
    ) -> DeliveryState:
        async with self.store.write() as connection:
            await self._settle(connection, delivery, tried, state, rendered)
        return state

    async def _settle(
        self,
        connection: Connection,
        delivery: Delivery,
        tried: Attempt | None,
        state: DeliveryState,
        rendered: Rendered | None,
        wait: timedelta | None = None,
    ) -> None:
        at = await clock(connection)
        due = None if wait is None else at + wait
        version = rendered.signal.updated_at if rendered else None
        if not await settle_delivery(connection, delivery, tried, state, at, due, version=version):
            metrics.leases_lost.labels("delivery").inc()
            logger.warning("a delivery was settled too late", extra={"delivery": delivery.id})


def next_attempt_in(tries: int, retry_after: timedelta | None) -> timedelta | None:
    """Say how long to wait after so many tries; None after the last."""
    if tries > len(RETRIES):
        return None
    wait = RETRIES[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
    if retry_after is not None:
        wait = max(wait, min(retry_after, LONGEST_RETRY_AFTER))
    return wait


def _tried(
    delivery: Delivery,
    at: datetime,
    *,
    sent: Sent | None = None,
    error: str | None = None,
    status: int | None = None,
    body: str = "",
) -> Attempt:
    return Attempt(
        attempt=delivery.attempt,
        at=at,
        latency_ms=round(sent.latency.total_seconds() * 1000, 1) if sent else None,
        status=sent.status if sent else status,
        error=error,
        response=(sent.body if sent else body) or None,
    )
