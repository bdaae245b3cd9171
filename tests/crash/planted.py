"""The `hub` command with a bomb in it: `python -m tests.crash.planted serve`.

It runs in the hub's own process and is told in CRASH what to do there: end the process, as a power
cut would, at the n-th call of a named point; or plant a bug, to see that the harness finds it.
Nothing of this is in the hub: functions are wrapped where they are looked up.
"""

import functools
import importlib
import inspect
import json
import os
import signal
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

CRASH = "CRASH"

is_polling: ContextVar[bool] = ContextVar("is_polling", default=False)


@dataclass(frozen=True, slots=True)
class Point:
    """A moment in the life of a signal: just before or just after a function does its work.

    `polled`: only while a source is polled; what the hub says of itself is ingested too.
    """

    where: str  # module:attribute
    when: Literal["before", "after"]
    polled: bool = False


POINTS = {
    "poll claimed": Point("hub.work:claim_due", "after"),
    "poll begun": Point("hub.poll:Poller._pages", "before"),
    "page read": Point("hub.poll:ingest", "before"),
    "page deduped": Point("hub.ingest:dedupe", "after", polled=True),
    "page scored": Point("hub.ingest:score", "after", polled=True),
    "page addressed": Point("hub.ingest:address", "after", polled=True),
    "page before commit": Point("hub.ingest:save_cursor", "after"),
    "page after commit": Point("hub.poll:announce", "before"),
    "poll settled": Point("hub.poll:settle", "after"),
    "delivery claimed": Point("hub.work:claim_deliveries", "after"),
    "delivery before send": Point("hub.deliver:Sender._send", "before"),
    "delivery after send": Point("hub.deliver:Sender._send", "after"),
    "delivery settled": Point("hub.deliver:settle_delivery", "after"),
}

# Minutes pass in seconds: a dead worker's leases end soon, and so does the wait for a retry. These
# are set before the modules that take them by name are imported.
QUICKER: dict[str, Any] = {
    "hub.lease:LEASE": timedelta(seconds=1.5),
    "hub.lease:HEARTBEAT": 0.4,
    "hub.deliver:RETRIES": (timedelta(seconds=0.2),) * 7,
    "hub.work:SWEEP": 0.5,
}


@dataclass(frozen=True, slots=True)
class Crash:
    """What is to happen in one process of the hub."""

    point: str | None = None
    call: int = 1
    plant: str | None = None
    quick: bool = True

    def environment(self) -> dict[str, str]:
        return {CRASH: json.dumps(asdict(self))}


def cursor_first() -> None:
    """Save the cursor in a transaction of its own, before the page that it stands behind."""
    poll, sources = _module("hub.poll"), _module("hub.store.sources")
    ingest = poll.ingest

    async def planted(store: Any, reading: Any, page: Any, plan: Any, *, claim: Any) -> Any:
        async with store.write() as connection:
            until = datetime.now(UTC) + claim.prolong
            await sources.save_cursor(connection, reading.source, claim.lease, page.cursor, until)
        return await ingest(store, reading, page, plan)

    poll.ingest = planted


def settle_first() -> None:
    """Call a delivery delivered before it is sent."""
    deliver = _module("hub.deliver")
    send = deliver.Sender._send

    async def planted(self: Any, endpoint: Any, delivery: Any, body: bytes, at: Any) -> Any:
        async with self.store.write() as connection:
            done = deliver.DeliveryState.DELIVERED
            await deliver.settle_delivery(connection, delivery, None, done, at)
        return await send(self, endpoint, delivery, body, at)

    deliver.Sender._send = planted


def new_id_each_time() -> None:
    """Send each attempt under a webhook-id of its own."""
    deliver, signals = _module("hub.deliver"), _module("hub.signals")
    sign = deliver.sign
    deliver.sign = lambda secrets, _id, at, body: sign(secrets, signals.new_id(), at, body)


def open_doors() -> None:
    """Let every role see everything: when signals are addressed, and when they are rendered."""
    always = _module("hub.access").Always()
    for where in ("hub.route:sees", "hub.graphql.context:may_see"):
        owner, name = find(where)
        setattr(owner, name, lambda *_: always)


PLANTS: dict[str, Callable[[], None]] = {
    "cursor-first": cursor_first,
    "settle-first": settle_first,
    "new-id": new_id_each_time,
    "open-doors": open_doors,
}


def plant(crash: Crash) -> None:
    for where, value in QUICKER.items() if crash.quick else ():
        owner, name = find(where)
        setattr(owner, name, value)
    if crash.point is not None:
        arm(POINTS[crash.point], crash.call)
    if crash.plant is not None:
        PLANTS[crash.plant]()


def arm(point: Point, call: int) -> None:
    """End the process at the n-th call of a point."""
    owner, name = find(point.where)
    wrapped = getattr(owner, name)
    left = call
    if point.polled:
        note_polls()

    def count(when: str) -> None:
        nonlocal left
        if when == point.when and (is_polling.get() or not point.polled):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(wrapped)
    async def later(*given: Any, **named: Any) -> Any:
        count("before")
        result = await wrapped(*given, **named)
        count("after")
        return result

    @functools.wraps(wrapped)
    def at_once(*given: Any, **named: Any) -> Any:
        count("before")
        result = wrapped(*given, **named)
        count("after")
        return result

    setattr(owner, name, later if inspect.iscoroutinefunction(wrapped) else at_once)


def note_polls() -> None:
    """Tell in `is_polling` whether a task is within a poll."""
    poller = _module("hub.poll").Poller
    pages = poller._pages

    async def noted(*given: Any) -> None:
        is_polling.set(True)
        try:
            await pages(*given)
        finally:
            is_polling.set(False)

    poller._pages = noted


def find(where: str) -> tuple[Any, str]:
    """Give what holds a name, which must be there: the hub changes, and a bomb must not be lost."""
    module, _, path = where.partition(":")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, _module(module))
    getattr(owner, name)
    return owner, name


def _module(name: str) -> Any:
    return importlib.import_module(name)


if __name__ == "__main__":
    plant(Crash(**json.loads(os.environ[CRASH])))
    _module("hub.__main__").main()
