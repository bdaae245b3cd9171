"""What happens at the sources and in the hub's own keeping, chosen by a seed."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from hub.bus.local import LocalBus
from hub.connector import Draft, Page, PersonRef
from hub.forget import Forgetting
from hub.forget.person import known_as
from hub.ingest import Plan, Reading, ingest
from hub.kinds import Severity
from hub.renewal import reload
from hub.retention import Retention
from hub.route import Router
from hub.settings import environment
from hub.signals import Classification, Status, now
from hub.snapshot import Snapshot
from hub.store import Store, log
from hub.store.keys import digest
from hub.store.log import Change
from hub.store.people import find_people
from hub.store.tables import KeyRow, SignalRow
from tests.model.company import (
    BARRIER,
    BARRIER_KIND,
    KINDS,
    LABEL,
    SOURCES,
    URGENT,
    Company,
    mark,
)

T0 = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
PEOPLE = ("Ann Arbor", "Ben Nevis", "Cleo Patras", "Dan Ube", "Eve Rest")
BURST = (20, 400)  # drafts of one page: more than a queue of the stream holds
LOOK = 500  # lines of the log read at once


@dataclass(slots=True)
class Record:
    """One record of a source, as it is there now."""

    source: str
    id: str
    version: int = 0
    kind: str = KINDS[0]
    classification: Classification = Classification.INTERNAL
    labels: tuple[str, ...] = ()
    severity: Severity = Severity.INFO
    status: Status = Status.OPEN
    author: str | None = None
    word: str = ""

    def draft(self, *, late: bool = False) -> Draft:
        self.version += 1
        said = mark(self.classification, self.kind, self.source)
        at = T0 + timedelta(seconds=-1 if late else self.version)
        return Draft(
            kind=self.kind,
            external_id=self.id,
            revision=f"{self.version}{'-late' if late else ''}",
            revised_at=at,
            occurred_at=T0 + timedelta(minutes=int(self.id[1:]) % 3000),
            title=f"{self.id} v{self.version} {self.word} {said}",
            summary=f"In short: {said}",
            body=f"In full: {said}",
            labels=self.labels,
            severity=self.severity,
            status=self.status,
            classification=self.classification,
            author=PersonRef(name=self.author) if self.author else None,
        )


@dataclass(slots=True)
class World:
    """Everything that changes what is in the hub, but for the processes that serve it.

    `lines`: a copy of the log, which the hub's own is trimmed of.
    """

    store: Store
    tell: Callable[[], Awaitable[None]]
    folder: Path
    company: Company
    snapshot: Snapshot
    choose: random.Random
    records: list[Record] = field(default_factory=list)
    lines: list[Change] = field(default_factory=list)
    barriers: int = 0

    async def happen(self) -> str:
        """Let one thing happen; give its name."""
        name = self.choose.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        done: Callable[[], Any] = getattr(self, name)
        await done()
        return name

    async def new(self) -> None:
        await self._put([self._new()])

    async def edit(self) -> None:
        await self._change(lambda one: setattr(one, "word", self.choose.choice(("", URGENT))))

    async def relabel(self) -> None:
        labels = self.choose.choice(((), (LABEL,), (LABEL, "east"), ("west",)))
        await self._change(lambda one: setattr(one, "labels", labels))

    async def hide(self) -> None:
        secret = self.choose.choice((Classification.CONFIDENTIAL, Classification.RESTRICTED))
        await self._change(lambda one: setattr(one, "classification", secret))

    async def show(self) -> None:
        open_ = self.choose.choice((Classification.PUBLIC, Classification.INTERNAL))
        await self._change(lambda one: setattr(one, "classification", open_))

    async def rename(self) -> None:
        kind = self.choose.choice(KINDS)
        await self._change(lambda one: setattr(one, "kind", kind))

    async def resolve(self) -> None:
        await self._change(lambda one: setattr(one, "status", Status.RESOLVED))

    async def delete(self) -> None:
        await self._change(lambda one: setattr(one, "status", Status.DELETED))
        self.records = [one for one in self.records if one.status is not Status.DELETED]

    async def late(self) -> None:
        """Bring an older revision, which joins the history and is nobody's event."""
        if self.records:
            one = self.choose.choice(self.records)
            await self._send(one.source, [one.draft(late=True)])

    async def burst(self) -> None:
        await self._put([self._new() for _ in range(self.choose.randint(*BURST))])

    async def several(self) -> None:
        """Bring several versions of one record in one page, hidden in between."""
        one = self._new()
        drafts = [one.draft()]
        for level in (Classification.RESTRICTED, Classification.INTERNAL):
            one.classification = level
            drafts.append(one.draft())
        await self._send(one.source, drafts)

    async def expire(self) -> None:
        """Keep what changed longest ago no more: its lines say so."""
        await self._copy_lines()
        async with self.store.write() as connection:
            old = [one.signal_id for one in self.lines[: len(self.lines) // 4]][:5]
            await connection.execute(
                update(SignalRow)
                .where(col(SignalRow.id).in_(old))
                .values(updated_at=T0 - timedelta(days=900))
            )
        config = self.snapshot.config
        retention = Retention(self.store, LocalBus(), lambda: config)
        while await retention.once(due=False) is None:  # noqa: ASYNC110 - who is at it tells nobody
            await asyncio.sleep(0.05)
        await self.tell()

    async def trim(self) -> None:
        """Take the older half of the log away, and with it the cursors that stand there."""
        await self._copy_lines()
        before = self.lines[len(self.lines) // 2].at if self.lines else T0
        async with self.store.write() as connection:
            while await log.trim(connection, before, 500):
                pass

    async def forget(self) -> None:
        """Take one person out of everything."""
        name = self.choose.choice(PEOPLE)
        async with self.store.read() as connection:
            found = await find_people(connection, name)
        for known in found:
            router = Router(self.snapshot.config.roles)
            await Forgetting(self.store, router, await known_as(self.store, known)).run()
            await self.tell()

    async def move_roles(self) -> None:
        """Reload hub.toml with other roles, as `hub reload` does it."""
        self.company.move(self.choose.randrange(10))
        self.company.write(self.folder)
        applied = await reload(
            self.store, self.folder / "hub.toml", environment(), "the model", lambda _: None
        )
        self.snapshot = applied.snapshot
        await self.tell()

    async def grant(self, key: str, roles: list[str]) -> None:
        """Give a key other roles."""
        async with self.store.write() as connection:
            changed = update(KeyRow).where(col(KeyRow.digest) == digest(key)).values(roles=roles)
            await connection.execute(changed)

    async def barrier(self) -> str:
        """Tell everybody something: who has heard it has heard all that was before."""
        self.barriers += 1
        one = Record(
            "alpha",
            f"b{self.barriers}",
            kind=BARRIER_KIND,
            classification=Classification.PUBLIC,
            labels=(LABEL,),
            severity=Severity.CRITICAL,
            word=BARRIER,
        )
        await self._send(one.source, [one.draft()])
        await self._copy_lines()
        return one.id

    async def _copy_lines(self) -> None:
        async with self.store.read() as connection:
            while more := await log.after(
                connection, self.lines[-1].seq if self.lines else 0, LOOK
            ):
                self.lines += more

    def _new(self) -> Record:
        one = Record(
            self.choose.choice(SOURCES),
            f"r{len(self.records) + self.choose.randrange(10**9)}",
            kind=self.choose.choice(KINDS),
            classification=self.choose.choice(
                (Classification.INTERNAL,) * 3 + tuple(Classification)
            ),
            labels=self.choose.choice(((), (LABEL,))),
            severity=self.choose.choice(list(Severity)),
            author=self.choose.choice((None, *PEOPLE)),
            word=self.choose.choice(("", URGENT)),
        )
        self.records.append(one)
        return one

    async def _change(self, change: Callable[[Record], None]) -> None:
        if not self.records:
            return await self.new()
        one = self.choose.choice(self.records)
        change(one)
        return await self._put([one])

    async def _put(self, records: list[Record]) -> None:
        by_source: dict[str, list[Draft]] = {}
        for one in records:
            by_source.setdefault(one.source, []).append(one.draft())
        for source, drafts in by_source.items():
            await self._send(source, drafts)

    async def _send(self, source: str, drafts: list[Draft]) -> None:
        plan: Plan = self.snapshot.plan
        done = await ingest(self.store, Reading(source), Page(drafts, {}), plan, at=now())
        if done.seq is not None:
            await self.tell()


# How often each thing happens.
_WEIGHTS = {
    "new": 35,
    "edit": 20,
    "relabel": 8,
    "hide": 8,
    "show": 8,
    "rename": 5,
    "resolve": 4,
    "delete": 4,
    "late": 4,
    "several": 3,
    "burst": 0.4,
    "expire": 0.5,
    "forget": 0.3,
    "trim": 0.3,
}
