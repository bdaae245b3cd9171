"""One check's scene: a twin of its own, served, and the real hub that reads it."""

import asyncio
import traceback
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hub.bus.local import LocalBus
from hub.config import HUB_SOURCE, SourceConfig
from hub.connector import Connector, Listener
from hub.connector.clock import moved
from hub.errors import ConnectorFailed
from hub.jobs.local import LocalWaker
from hub.lease import LEASE
from hub.poll import Poller, Report
from hub.signals import Signal
from hub.store.clock import clock
from hub.store.declarations import DeclaredSource, declare_hub, declare_sources
from hub.store.quarantine import Quarantined, quarantined
from hub.store.signals import by_external_ids, seen_revisions
from hub.store.sources import Standing, claim_one, settle, standings
from hub.testing.faults import Fault
from hub.testing.front import Trouble, none
from hub.testing.house import House
from hub.testing.troubles import from_page, hanging
from hub.testing.twins import Twin

BEGAN = timedelta(hours=6)  # ago, by the clock that connectors and twins see
PATIENCE = 120.0  # seconds for one poll of a handful of records, on the slowest machine
POLLS = 20  # until everything must have been read: some sources end a poll early
BETWEEN = timedelta(minutes=10)  # passes before each poll: more than any vendor's index lags


class Failed(Exception):
    """What a connector did that it may not."""


def expect(holds: object, otherwise: str) -> None:
    if not holds:
        raise Failed(otherwise)


def told(error: Exception | None) -> str:
    """Tell an error; of one that a connector should not have raised also where it did."""
    return where(error.__cause__) if isinstance(error, ConnectorFailed) else str(error)


def where(error: BaseException | None) -> str:
    """Tell an error and the line that raised it."""
    if error is None:
        return "nothing was raised"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"


@dataclass(slots=True)
class Stage:
    """A twin, and a source that reads it: each poll by a new connector, as if restarted."""

    house: House
    name: str
    kind: str
    connector: type[Connector]
    twin: Twin
    url: str
    given: Mapping[str, Any]
    """Settings besides those that the twin tells."""
    clock: AsyncExitStack
    """What is entered here ends with the stage: the clock is put right again."""
    speaks_http: bool = True
    made: dict[str, int] = field(default_factory=dict)
    """How many states each signal has had at the vendor, by external id."""
    report: Report = field(default_factory=Report)

    # What happens at the vendor.

    def pass_time(self, time: timedelta) -> None:
        self.clock.enter_context(moved(time))

    def create(self, number: int, at: datetime | None = None) -> str:
        made = self.twin.create(number, at or self._moment())
        self.made[made] = self.made.get(made, 0) + 1
        return made

    def create_many(self, count: int, first: int = 1) -> list[str]:
        return [self.create(number) for number in range(first, first + count)]

    def edit(self, number: int, name: str, at: datetime | None = None) -> None:
        self.twin.edit(number, at or self._moment())
        self.made[name] += 1

    def delete(self, number: int, name: str) -> None:
        self.twin.delete(number, self._moment())
        self.made[name] += 1

    def _moment(self) -> datetime:
        self.pass_time(timedelta(seconds=2))
        return self.twin.now()

    # What the hub does.

    def source(self) -> SourceConfig:
        settings = {**self.twin.settings(self.url), **self.given}
        connector = self.connector.model_validate(settings)
        return SourceConfig(self.name, self.kind, connector, timedelta(minutes=1))

    async def claim(self) -> Standing:
        async with self.house.store.write() as connection:
            standing = await claim_one(connection, self.name, await clock(connection), LEASE)
        assert standing is not None, "nobody else polls here"
        return standing

    async def poll(self, poller: Poller | None = None, *, soon: bool = False) -> Report:
        """Poll once, some minutes after what happened, or at once."""
        self.pass_time(timedelta(0) if soon else BETWEEN)
        self.report = Report()
        poller = poller or self.house.poller
        source, standing = self.source(), await self.claim()
        try:
            async with asyncio.timeout(PATIENCE):
                await poller.poll(source, standing, lambda: self.house.plan, self.report)
        except TimeoutError:
            raise Failed(f"a poll of a few records did not end in {PATIENCE:.0f} s") from None
        return self.report

    async def poll_well(self, *, soon: bool = False) -> Report:
        report = await self.poll(soon=soon)
        expect(report.error is None, f"the poll failed: {told(report.error)}")
        return report

    async def poll_until_known(self, *names: str, soon: bool = False) -> int:
        """Poll until these signals are known and nothing new comes; count what came."""
        came = 0
        for _ in range(POLLS):
            report = await self.poll_well(soon=soon)
            came += report.signals
            if not report.signals and not report.more and set(names) <= set(await self.signals()):
                return came
        return came

    async def die(self, after: int) -> bool:
        """Poll, and stop for good when so many pages are stored; False where it ends before."""
        if not self.speaks_http:
            return await self._stop_after_a_page()
        reached, released = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            with self.playing(Fault.CRASH, hanging(reached, released), after):
                polling = tasks.create_task(self._poll_or_reason())
                waiting = tasks.create_task(reached.wait())
                await asyncio.wait({polling, waiting}, return_when=asyncio.FIRST_COMPLETED)
                died = not polling.done()
                polling.cancel()
                waiting.cancel()
                await asyncio.wait({polling, waiting})
                released.set()
        if not died and (reason := polling.result()):
            raise Failed(reason)
        return died

    async def _stop_after_a_page(self) -> bool:
        ending = Poller(self.house.store, self.house.clients, LocalBus(), LocalWaker())
        ending.end()
        report = await self.poll(ending)
        expect(report.error is None, f"the poll failed: {told(report.error)}")
        return report.more

    async def _poll_or_reason(self) -> str | None:
        try:
            await self.poll_well()
        except Failed as failed:
            return str(failed)
        return None

    async def start_over(self) -> None:
        """Forget where the source stands; what it has read is kept."""
        standing = await self.claim()
        assert standing.lease is not None
        async with self.house.store.write() as connection:
            await settle(connection, self.name, standing.lease, {"cursor": {}})

    @contextmanager
    def playing(self, fault: Fault, trouble: Trouble, after: int = 0) -> Generator[None]:
        """Play a fault, from when so many pages of a poll are stored; over HTTP it is `trouble`."""
        self.report = Report()
        if self.speaks_http:
            self.house.front.trouble = from_page(lambda: self.report.pages, after, trouble)
        else:
            self.twin.play(fault)
        try:
            yield
        finally:
            self.house.front.trouble = none
            if not self.speaks_http:
                self.twin.play(None)

    # What the hub knows then.

    async def standing(self) -> Standing:
        async with self.house.store.read() as connection:
            [standing] = await standings(connection, self.name)
        return standing

    async def signals(self, *names: str) -> dict[str, Signal]:
        """Read what the hub knows of these signals, or of all that there should be."""
        async with self.house.store.read() as connection:
            return await by_external_ids(connection, self.name, names or self.made)

    async def versions(self) -> dict[str, int]:
        """Count the versions that are stored of each signal that there should be."""
        async with self.house.store.read() as connection:
            seen = await seen_revisions(connection, self.name, self.made)
        return {name: sum(name == one for one, _ in seen) for name in self.made}

    async def bad(self) -> list[Quarantined]:
        async with self.house.store.read() as connection:
            return await quarantined(connection, self.name, 100)

    async def expect_all_once(self) -> None:
        """Poll until nothing comes, and expect every state of every record, none of them twice."""
        await self.poll_until_known(*self.made)
        await self.expect_known_once()

    async def expect_known_once(self) -> None:
        if bad := await self.bad():
            raise Failed(f"{len(bad)} records were set aside, the first: {bad[0].reason}")
        versions = await self.versions()
        lost = [name for name, count in versions.items() if count < self.made[name]]
        expect(not lost, f"lost: {_some(lost)}")
        twice = [name for name, count in versions.items() if count > self.made[name]]
        expect(not twice, f"stored more often than they changed: {_some(twice)}")


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


@asynccontextmanager
async def staged(
    house: House,
    kind: str,
    connector: type[Connector],
    twin: Twin,
    given: Mapping[str, Any] | None = None,
    *,
    made: "type[Stage] | None" = None,
) -> AsyncGenerator[Stage]:
    """Serve a twin behind the house's front, and make its source known to the hub."""
    async with AsyncExitStack() as stack:
        stack.enter_context(moved(-BEGAN))
        own = twin.serve()
        if own is None:
            house.front.app, house.front.trouble = twin.app, none
        url = house.url if own is None else await stack.enter_async_context(own)
        twin.page = 2
        name = f"check-{next(house.numbers)}"
        declared = DeclaredSource(
            name, kind, "", None, None, polled=not issubclass(connector, Listener)
        )
        async with house.store.write() as connection:
            at = await clock(connection)
            await declare_hub(connection, HUB_SOURCE, at)
            await declare_sources(connection, [declared], at, kept={}, own=HUB_SOURCE)
        yield (made or Stage)(
            house, name, kind, connector, twin, url, given or {}, stack, own is None
        )
