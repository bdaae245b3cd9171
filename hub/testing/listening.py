"""The scene of a source that asks nobody: what happens is pushed at once, and read at each poll."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hub.bus.local import LocalBus
from hub.connector import Pushed
from hub.errors import PushRefused
from hub.jobs.local import LocalWaker
from hub.lease import LEASE
from hub.poll import Poller, Report
from hub.push import Inbox
from hub.store.clock import clock
from hub.store.pushes import Push, PushState, claim_pushes, read_again
from hub.testing.checks.platinum import pushed
from hub.testing.front import Answered, Asked
from hub.testing.stage import BETWEEN, Failed, Stage

MOST = 100  # pushes claimed at once


@dataclass(slots=True)
class Listening(Stage):
    """A stage whose source is told; a fault of an answer is played on what was stored."""

    sent: list[Pushed] = field(default_factory=list)

    def create(self, number: int, at: datetime | None = None) -> str:
        made = Stage.create(self, number, at)
        self._tell(number)
        return made

    def edit(self, number: int, name: str, at: datetime | None = None) -> None:
        Stage.edit(self, number, name, at)
        self._tell(number)

    def delete(self, number: int, name: str) -> None:
        Stage.delete(self, number, name)
        self._tell(number)

    def _tell(self, number: int) -> None:
        self.sent.append(pushed(self.twin.pushed_to, self.twin.push(number)))

    async def poll(self, poller: Poller | None = None, *, soon: bool = False) -> Report:
        """Take in what was pushed since, and read all that waits."""
        del poller
        self.pass_time(timedelta(0) if soon else BETWEEN)
        inbox, source = await self._take(), self.source()
        before, self.report = sum((await self.versions()).values()), Report(pages=1)
        while waiting := await self._claim(LEASE):
            for push in waiting:
                troubled = await self._troubled(push)
                state = await inbox.read(troubled, source, lambda: self.house.plan)
                self.report.quarantined += state is PushState.UNREADABLE
                self.report.seen_before += state is PushState.READ
        self.report.signals = sum((await self.versions()).values()) - before
        self.report.seen_before = max(self.report.seen_before - self.report.signals, 0)
        return self.report

    async def die(self, after: int) -> bool:
        """Claim what waits, read as much of it as is asked, and stop for good."""
        inbox, source = await self._take(), self.source()
        waiting = await self._claim(timedelta(0))
        for push in waiting[:after]:
            await inbox.read(push, source, lambda: self.house.plan)
        return len(waiting) > after

    async def start_over(self) -> None:
        async with self.house.store.write() as connection:
            await read_again(connection, self.name)

    async def _take(self) -> Inbox:
        inbox = Inbox(self.house.store, LocalBus(), LocalWaker())
        sent, self.sent = self.sent, []
        for request in sent:
            try:
                await inbox.take(self.source(), request)
            except PushRefused as error:
                raise Failed(f"it refuses what the vendor signed: {error}") from error
        return inbox

    async def _claim(self, lease: timedelta) -> list[Push]:
        async with self.house.store.write() as connection:
            at = await clock(connection)
            return await claim_pushes(connection, [self.name], at, lease, MOST)

    async def _troubled(self, push: Push) -> Push:
        event = push.event

        async def ask() -> Answered:
            return Answered(200, event.headers, event.body)

        asked = Asked(event.method, event.url, "", event.headers, event.body)
        answered = await self.house.front.trouble(asked, ask)
        return replace(push, event=replace(event, body=answered.body))
