"""What vendors send by themselves: verified and stored at the door, read from the row later."""

import asyncio
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, SecretStr

from hub import metrics, traces
from hub.bus import Bus
from hub.config import SourceConfig
from hub.connector import Accepted, Bad, Draft, Listener, Page, Pushed, Verdict, why
from hub.errors import SourceError, SourceMisbehaved, StoreUnavailable
from hub.hidden import SIGNS_IN
from hub.ingest import LeaseLost, Reading, announce, ingest_within
from hub.ingest.enrich import FORGOTTEN_TITLE
from hub.ingest.normalize import shown
from hub.jobs import Waker, Work
from hub.lease import Held
from hub.logs import about
from hub.poll import CurrentPlan
from hub.signals import Origin, Status
from hub.store import Connection, Store
from hub.store.clock import clock
from hub.store.pushes import (
    Push,
    PushState,
    add_push,
    erase_pushes,
    link_records,
    prolong_pushes,
    put_off,
    settle_push,
)
from hub.store.signals import by_external_ids
from hub.store.sources import hasten_poll, heard_of, standings

STORED = frozenset({"POST", "PUT"})  # GET and OPTIONS are for challenges
TRIES = 10  # what fails so often, for whatever reason, is for a person to look at
RETRY = timedelta(seconds=5)  # doubled with each try

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Inbox:
    """Takes pushes in and reads them; one for the process."""

    store: Store
    bus: Bus
    waker: Waker
    _held: Held[int] = field(default_factory=lambda: Held(prolong_pushes))

    async def take(self, source: SourceConfig, request: Pushed) -> Verdict:
        """Verify a request and store it; what is stored will be read.

        Raises PushRefused, another SourceError for what the vendor should not have sent,
        StoreUnavailable.
        """
        verdict = source.connector.verify(request)
        if not isinstance(verdict, Accepted):
            metrics.pushes.labels(source.name, "answered").inc()
            return verdict
        if request.method not in STORED:
            raise SourceMisbehaved(f"a {request.method} that brings news: send it by POST")
        kept = without_credentials(request, source.connector)
        async with self.store.write() as connection:
            id_ = await add_push(connection, source.name, kept, verdict.delivery)
            if id_ is not None and verdict.poll is not None:
                due = await clock(connection) + verdict.poll
                await hasten_poll(connection, source.name, due)
        metrics.pushes.labels(source.name, "stored" if id_ else "known").inc()
        if id_ is not None:
            await self.waker.wake(Work.PUSH, [id_])
            if verdict.poll is not None:
                await self.waker.wake(Work.POLL, [f"{source.name}:{id_}"])
        return verdict

    async def read(self, push: Push, source: SourceConfig, plan: CurrentPlan) -> PushState | None:
        """Make signals of a claimed push and settle it, in one transaction.

        None where it is to be tried again, or another worker took it over. Raises
        StoreUnavailable; then it is still held, see `give_back`.
        """
        said = about(source=source.name, push=push.id, attempt=push.attempt)
        traced = traces.span("push", source=source.name, connector=source.kind)
        with self._held.hold(push.id, push.attempt), said, traced as spanned:
            try:
                state = await self._read(push, source, plan)
            except LeaseLost:
                metrics.leases_lost.labels("push").inc()
                logger.warning("a push was settled too late")
                return None
            except StoreUnavailable:
                raise
            except asyncio.CancelledError:
                await self.give_back(push)
                raise
            except Exception as error:
                # Not the connector's: it is the hub's fault, or the database's. Again, and later.
                logger.exception("a push could not be stored as signals")
                spanned.tell(outcome="failed", error=type(error).__name__)
                await self._put_off(push, RETRY * 2 ** (push.attempt - 1))
                return None
            spanned.tell(outcome=state)
        metrics.pushes_read.labels(source.name, state).inc()
        return state

    async def _read(self, push: Push, source: SourceConfig, plan: CurrentPlan) -> PushState:
        drafts, bad = _read(push, source)
        state = PushState.UNREADABLE if bad else PushState.READ
        async with self.store.write() as connection:
            at = await clock(connection)
            reading = await _reading(connection, source)
            ids = {shown(draft.external_id) for draft in drafts}
            # First: what is deleted or forgotten takes its words out of what told of it, too.
            await link_records(connection, push, ids)
            done = await ingest_within(connection, reading, Page(drafts, {}, bad), plan(), at)
            await erase_pushes(connection, source.name, await _wordless(connection, source, ids))
            if isinstance(source.connector, Listener):
                await heard_of(connection, source.name, bad[0].reason if bad else None, at)
            # Last, as a poll saves its cursor: what another worker has read by now is undone.
            if not await settle_push(connection, push, state, at):
                raise LeaseLost(f"another worker took over a push to {source.name}")
        await announce(done, self.bus, self.waker)
        return state

    async def give_back(self, push: Push) -> None:
        """Let another worker read it at once: this one does not, or was stopped."""
        await self._put_off(push, timedelta(0))

    async def _put_off(self, push: Push, wait: timedelta) -> None:
        async with self.store.write() as connection:
            await put_off(connection, push, await clock(connection) + wait)

    async def beat(self) -> None:
        """Keep the leases of what is being read alive, until cancelled."""
        await self._held.beat(self.store)


def without_credentials(request: Pushed, connector: BaseModel) -> Pushed:
    """Take out what signs a request in: it was verified, and is kept for a month."""
    headers = {
        name: value
        for name, value in request.headers.items()
        # Attributes of a CloudEvent are what it says, `ce-partitionkey` too.
        if name.startswith("ce-") or not SIGNS_IN.search(name)
    }
    url, body = request.url, request.body
    for name in type(connector).model_fields:
        value = getattr(connector, name)
        if isinstance(value, SecretStr) and len(secret := value.get_secret_value()) >= 6:
            url, body = url.replace(secret, "…"), body.replace(secret.encode(), "…".encode())
    return replace(request, url=url, headers=headers, body=body)


async def _wordless(connection: Connection, source: SourceConfig, ids: Iterable[str]) -> list[str]:
    """Name those of these records that the hub keeps no words of."""
    known = await by_external_ids(connection, source.name, ids)
    return [
        id_
        for id_, signal in known.items()
        if signal.status is Status.DELETED or signal.title == FORGOTTEN_TITLE
    ]


def _read(push: Push, source: SourceConfig) -> tuple[list[Draft], list[Bad]]:
    """Read a push: its drafts, and what of it cannot be read."""
    if push.attempt > TRIES:
        return _none_of(push, f"it was tried {TRIES} times in vain; the hub's log has more")
    try:
        found = source.connector.read(push.event)
    except SourceError as error:
        return _none_of(push, str(error))
    except Exception as error:  # noqa: BLE001 - whatever a connector stumbles over is a bad record
        return _none_of(push, why(error))
    return (
        [one for one in found if isinstance(one, Draft)],
        [one for one in found if isinstance(one, Bad)],
    )


def _none_of(push: Push, reason: str) -> tuple[list[Draft], list[Bad]]:
    return [], [Bad(reason, _raw(push.event), push.delivery)]


def _raw(event: Pushed) -> Any:
    """Give the request as it is shown to a person: its body as JSON, where it is that."""
    text = event.body.decode(errors="replace")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = text
    return {"method": event.method, "url": event.url, "headers": dict(event.headers), "body": body}


async def _reading(connection: Connection, source: SourceConfig) -> Reading:
    known = await standings(connection, source.name)
    return Reading(
        source.name,
        origin=Origin.PUSH,
        notify_after=known[0].notify_after if known else None,
        classification=source.classification,
        department=source.department,
    )
