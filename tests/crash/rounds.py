"""One run: rounds that each end with SIGKILL, then recovery, then the comparison."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hub.store.deliveries import DeliveryState
from tests.crash.check import Kept
from tests.crash.planted import Crash
from tests.crash.processes import moments
from tests.crash.receiver import Receiver
from tests.crash.sources import PER_ROUND
from tests.crash.stage import QUIET_SECONDS, Stage, stage
from tests.crash.truth import Truth

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
    async with stage(seed=plan.seed) as around:
        async with around.writing():
            await _rounds(plan, around, report)
        await _recover(plan, around, report)
        hub, found = await around.compare()
    report.differences += found
    report.counts = _counts(around.truth, hub, around.receivers)
    report.seconds = time.monotonic() - began
    return report


async def _rounds(plan: Plan, around: Stage, report: Report) -> None:
    choose = random.Random(plan.seed)
    for point, number in moments(choose, list(plan.points), plan.rounds):
        bomb = Crash(point, number, plan.plant)
        began = time.monotonic()
        around.sources.left += PER_ROUND
        async with around.home.running("serve", "--port", "0", crash=bomb) as hub:
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


async def _recover(plan: Plan, around: Stage, report: Report) -> None:
    """Let it run until all is read and sent, and end in peace."""
    async with around.home.running("serve", "--port", "0", crash=Crash(plant=plan.plant)) as hub:
        await hub.ready()
        report.recovery = await around.quiet()
        if report.recovery is None:
            report.differences.append(f"not quiet {QUIET_SECONDS} s after the last kill")
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
