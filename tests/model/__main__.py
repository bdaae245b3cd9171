"""The long form: two web processes on PostgreSQL and Valkey, or one hub within this process.

python -m tests.model [--steps 10000] [--mode scaled] [--seed 1] [--plant resume-skips]
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hub.bus.redis import RedisBus
from hub.config import configure, load_tables
from hub.runtime import beside as running
from hub.settings import environment
from hub.snapshot import put_in_force
from hub.store import open_store
from tests.engines import Postgres, Valkey
from tests.model.company import ENVIRONMENT, Company
from tests.model.houses import beside, here
from tests.model.planted import PLANTS, replacements
from tests.model.simulation import Report, Simulation
from tests.model.writers import World
from tests.prepared import prepare

STEPS_PER_ROUND = 250
GRACE = 6.0  # seconds until a change of access is noticed: five are promised
QUICK_GRACE = 2.5


@dataclass(frozen=True, slots=True)
class Plan:
    steps: int
    seed: int
    mode: str
    plant: str | None = None
    quick: bool = False
    access: bool = True

    @property
    def rounds(self) -> int:
        return max(1, self.steps // STEPS_PER_ROUND)


async def model(plan: Plan) -> Report:
    with tempfile.TemporaryDirectory(prefix="hub-model-") as made:
        opened = scaled if plan.mode == "scaled" else embedded
        async with opened(plan, Path(made)) as simulation:
            await simulation.run(plan.steps, plan.rounds)
        return simulation.report


@asynccontextmanager
async def embedded(plan: Plan, folder: Path) -> AsyncGenerator[Simulation]:
    """Begin with one hub within this process, on SQLite."""
    with_plant(plan)
    company, database = Company(), f"sqlite:///{folder}/hub.db"
    company.write(folder)
    await prepare(database)
    async with here(database, folder) as house, open_store(database) as store:
        choose = random.Random(plan.seed)
        world = World(store, house.tell, folder, company, house.snapshot, choose)
        yield Simulation(world, [house], choose, Report(plan.seed), grace(plan), plan.access)


@asynccontextmanager
async def scaled(plan: Plan, folder: Path) -> AsyncGenerator[Simulation]:
    """Begin with two web processes, on PostgreSQL and Valkey; this process writes."""
    if plan.plant == "before-commit":  # it is the writer's
        with_plant(plan)
    company = Company()
    company.write(folder)
    with Postgres() as postgres, Valkey() as valkey:
        await prepare(postgres.url)
        bus = RedisBus(valkey.url)
        async with (
            open_store(postgres.url) as store,
            running(bus.run()),
            beside(postgres.url, valkey.url, folder, plan.plant, quick=plan.quick) as houses,
        ):
            config = configure(load_tables(folder / "hub.toml"), environment())
            snapshot = (await put_in_force(store, config, by="the model")).snapshot
            choose = random.Random(plan.seed)
            world = World(store, bus.tell, folder, company, snapshot, choose)
            report = Report(plan.seed)
            yield Simulation(world, houses, choose, report, grace(plan), plan.access, repeat=2)


def with_plant(plan: Plan) -> None:
    for owner, name, value in replacements(plan.plant, quick=plan.quick):
        setattr(owner, name, value)


def grace(plan: Plan) -> float:
    return QUICK_GRACE if plan.quick else GRACE


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.model", description="No gap, no repeat, no leak.")
    parser.add_argument("--steps", type=int, default=10_000, help="how much happens")
    parser.add_argument("--mode", choices=("embedded", "scaled"), default="scaled")
    parser.add_argument("--seed", type=int, default=1, help="the same seed chooses the same")
    parser.add_argument("--plant", choices=sorted(PLANTS), help="a bug that must be found")
    parser.add_argument("--quick", action="store_true", help="access is asked for more often")
    parser.add_argument(
        "--access", action=argparse.BooleanOptionalAction, default=True, help="roles change, too"
    )
    given = parser.parse_args(arguments)
    os.environ.update(ENVIRONMENT)
    began = time.monotonic()
    plan = Plan(given.steps, given.seed, given.mode, given.plant, given.quick, given.access)
    report = asyncio.run(model(plan))
    sys.stdout.write(f"{report}\nin {time.monotonic() - began:.0f} s, {plan.mode}\n")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
