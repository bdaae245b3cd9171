"""One run: rounds that each end with SIGKILL, then recovery, then the comparison."""

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlmodel import col

from hub.signals import now
from hub.store import Store, open_store
from hub.store.deliveries import DeliveryState
from hub.store.sources import standings
from hub.store.tables import DeliveryRow
from tests.crash.check import differences, kept
from tests.crash.planted import Crash
from tests.crash.processes import Home, moments
from tests.crash.receiver import Receiver, receiving
from tests.crash.sources import PER_ROUND, Sources
from tests.crash.truth import CANARY, LISTENERS, Truth
from tests.servers import serve

QUIET_SECONDS = 90
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Plan:
    rounds: int
    seed: int
    points: Sequence[str]
    plant: str | None = None


@dataclass(slots=True)
class Report:
    plan: Plan
    kills: Counter[str] = field(default_factory=Counter)
    counts: dict[str, int] = field(default_factory=dict)
    slowest_start: float = 0.0
    recovery: float = 0.0
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)

    def table(self) -> str:
        lines = [
            *((f"killed: {name}", times) for name, times in sorted(self.kills.items())),
            ("killed in all", self.kills.total()),
            *self.counts.items(),
            ("slowest start, s", round(self.slowest_start, 1)),
            ("recovery, s", round(self.recovery, 1)),
            ("seconds", round(self.seconds, 1)),
            ("seed", self.plan.seed),
            ("differences", len(self.differences)),
        ]
        shown = [f"  {line}" for line in self.differences[:MOST_SHOWN]]
        if len(self.differences) > MOST_SHOWN:
            shown.append(f"  ... and {len(self.differences) - MOST_SHOWN} more")
        width = max(len(name) for name, _ in lines)
        return "\n".join([*(f"{name:{width}}  {count}" for name, count in lines), *shown, ""])


async def crash(plan: Plan) -> Report:
    report, truth = Report(plan), Truth()
    began = time.monotonic()
    all_, desk, hasty = LISTENERS
    receivers = [
        Receiver(all_),
        Receiver(desk, refuses=True),
        Receiver(hasty, slow=True),
    ]
    sources = Sources(truth, plan.seed)
    with tempfile.TemporaryDirectory(prefix="hub-crash-") as folder:
        home = Home(Path(folder), {"HUB_DATABASE": f"sqlite:///{folder}/hub.db"})
        async with (
            serve(sources.ledger.book.app) as ledger_url,
            serve(sources.desk.twin.app) as desk_url,
            receiving(*receivers) as endpoints,
        ):
            home.furnish(sources.tables(ledger_url, desk_url) + endpoints)
            await home.run("migrate")
            async with _under_way(sources):
                await _rounds(plan, home, sources, report)
            async with open_store(home.settings["HUB_DATABASE"]) as store:
                await _recover(plan, home, store, report)
                hub = await kept(store)
            report.differences += [f"the log says {CANARY}"] * (CANARY in home.log)
    report.differences += differences(truth, hub, receivers)
    taken = [(one.listener.name, got.id) for one in receivers for got in one.got if got.taken]
    report.counts = {
        "records": len(truth.newest()),
        "revisions said": len(truth.said),
        "signals": len(hub.signals),
        "revisions stored": len(hub.revisions),
        "quarantined": len(hub.quarantine),
        "deliveries": len(hub.deliveries),
        "withdrawn": sum(row.state == DeliveryState.WITHDRAWN for row in hub.deliveries),
        "received": len(set(taken)),
        "received again, same id": len(taken) - len(set(taken)),
    }
    report.seconds = time.monotonic() - began
    return report


@asynccontextmanager
async def _under_way(sources: Sources) -> AsyncGenerator[None]:
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(sources.write())
        try:
            yield
        finally:
            writing.cancel()


async def _rounds(plan: Plan, home: Home, sources: Sources, report: Report) -> None:
    choose = random.Random(plan.seed)
    for point, number in moments(choose, list(plan.points), plan.rounds):
        bomb = Crash(point, number, plan.plant)
        began = time.monotonic()
        sources.left += PER_ROUND
        async with home.running("serve", "--port", "0", crash=bomb) as hub:
            if not await hub.ready():
                assert point is not None
                report.kills[point] += 1
                continue
            report.slowest_start = max(report.slowest_start, time.monotonic() - began)
            if point is None:
                await hub.kill_in(number / 1000)
                report.kills["any time"] += 1
            elif await hub.kills_itself():
                report.kills[point] += 1
            else:
                await hub.kill_in(0)
                report.kills[f"not reached: {point}"] += 1


async def _recover(plan: Plan, home: Home, store: Store, report: Report) -> None:
    """Let it run until all is read and sent, and end in peace."""
    stopped, began = now(), time.monotonic()
    async with home.running("serve", "--port", "0", crash=Crash(plant=plan.plant)) as hub:
        await hub.ready()
        while not await _is_quiet(store, stopped):
            if time.monotonic() - began > QUIET_SECONDS:
                report.differences.append(f"not quiet {QUIET_SECONDS} s after the last kill")
                break
            await asyncio.sleep(0.2)
        report.recovery = time.monotonic() - began
        await hub.stop()


async def _is_quiet(store: Store, since: datetime) -> bool:
    """Say whether every source was read to its end since then, and nothing is left to send."""
    async with store.read() as connection:
        pending = await connection.scalar(
            select(func.count()).where(col(DeliveryRow.state) == DeliveryState.PENDING)
        )
        sources = [one for one in await standings(connection) if one.next_poll_at is not None]
    return not pending and all(
        one.last_attempt_at is not None
        and one.last_success_at is not None
        and since < one.last_attempt_at < one.last_success_at
        for one in sources
    )
