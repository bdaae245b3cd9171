"""One run: rounds that each end with SIGKILL, then recovery, then the comparison."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field

from hub.store.deliveries import DeliveryState
from tests.crash.check import Kept
from tests.crash.planted import Crash
from tests.crash.processes import End, ends
from tests.crash.receiver import Receiver
from tests.crash.sources import PER_ROUND
from tests.crash.stage import QUIET_SECONDS, Stage, stage
from tests.crash.truth import Truth
from tests.engines import Postgres, Valkey

MOST_SHOWN = 20


# The processes of each mode: what is killed is started again, while the others go on.
MODES = {"embedded": ("serve",), "scaled": ("serve", "worker", "worker")}


@dataclass(frozen=True, slots=True)
class Plan:
    rounds: int
    seed: int
    points: Sequence[str]
    plant: str | None = None
    mode: str = "embedded"

    def ends(self) -> list[tuple[str, list[End]]]:
        """Deal the rounds out: how each process ends, one time after the other.

        Where others poll and deliver, `hub serve` reaches none of the points.
        """
        commands, choose = MODES[self.mode], random.Random(self.seed)
        if len(commands) == 1:
            return [(commands[0], ends(choose, self.points, self.rounds))]
        web, *workers = commands
        fewer = self.rounds // (2 * len(commands))
        dealt = ends(choose, self.points, self.rounds - fewer)
        return [
            (web, ends(choose, (), fewer)),
            *((name, dealt[place :: len(workers)]) for place, name in enumerate(workers)),
        ]


@dataclass(slots=True)
class Report:
    plan: Plan
    kills: Counter[str] = field(default_factory=Counter)
    counts: dict[str, int] = field(default_factory=dict)
    slowest_start: float = 0.0
    recovery: float | None = None
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)

    def table(self) -> str:
        lines = [
            *((f"killed: {name}", times) for name, times in sorted(self.kills.items())),
            ("killed in all", self.kills.total()),
            *self.counts.items(),
            ("slowest start, s", round(self.slowest_start, 1)),
            ("recovery, s", None if self.recovery is None else round(self.recovery, 1)),
            ("seconds", round(self.seconds, 1)),
            ("mode", self.plan.mode),
            ("seed", self.plan.seed),
            ("differences", len(self.differences)),
        ]
        shown = [f"  {line}" for line in self.differences[:MOST_SHOWN]]
        if len(self.differences) > MOST_SHOWN:
            shown.append(f"  ... and {len(self.differences) - MOST_SHOWN} more")
        width = max(len(name) for name, _ in lines)
        return "\n".join([*(f"{name:{width}}  {count}" for name, count in lines), *shown, ""])


async def crash(plan: Plan) -> Report:
    report = Report(plan)
    began = time.monotonic()
    with _engines(plan.mode) as (database, redis):
        async with stage(database, redis=redis, seed=plan.seed) as around:
            async with around.writing(), asyncio.TaskGroup() as tasks:
                for command, dealt in plan.ends():
                    tasks.create_task(_rounds(command, dealt, plan, around, report))
            await _recover(plan, around, report)
            hub, found = await around.compare()
    report.differences += found
    report.counts = _counts(around.truth, hub, around.receivers)
    report.seconds = time.monotonic() - began
    return report


@contextmanager
def _engines(mode: str) -> Generator[tuple[str | None, str]]:
    """Start what many processes share; give the addresses of the database and of Redis."""
    if mode == "embedded":
        yield None, ""
        return
    with Postgres() as server, Valkey() as redis:
        yield server.url, redis.url


async def _rounds(
    command: str, dealt: Sequence[End], plan: Plan, around: Stage, report: Report
) -> None:
    """Start one process and see it killed, again and again."""
    for point, number in dealt:
        bomb = Crash(point, number, plan.plant)
        began = time.monotonic()
        around.sources.left += PER_ROUND
        async with around.home.running(command, "--port", "0", crash=bomb) as hub:
            if not await hub.ready():
                report.kills[f"{command}: {point}"] += 1
                continue
            report.slowest_start = max(report.slowest_start, time.monotonic() - began)
            if point is None:
                await hub.kill_in(number / 1000)
                report.kills[f"{command}: at any time"] += 1
            elif await hub.kills_itself():
                report.kills[f"{command}: {point}"] += 1
            else:
                await hub.kill_in(0)
                report.kills[f"{command}: before {point}"] += 1


async def _recover(plan: Plan, around: Stage, report: Report) -> None:
    """Let all processes run until everything is read and sent, and end in peace."""
    async with AsyncExitStack() as stack:
        hubs = [
            await stack.enter_async_context(
                around.home.running(command, "--port", "0", crash=Crash(plant=plan.plant))
            )
            for command in MODES[plan.mode]
        ]
        for hub in hubs:
            await hub.ready()
        report.recovery = await around.quiet()
        if report.recovery is None:
            report.differences.append(f"no progress for {QUIET_SECONDS} s after the last kill")
        for hub in hubs:
            await hub.stop()


def _counts(truth: Truth, hub: Kept, receivers: Sequence[Receiver]) -> dict[str, int]:
    taken = [(one.listener.name, got.id) for one in receivers for got in one.got if got.taken]
    return {
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
