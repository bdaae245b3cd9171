"""Whatever happens, a client's view is what a new query gives: the short form, and planted bugs."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.store import open_store
from tests.model.company import ENVIRONMENT, Company
from tests.model.houses import here
from tests.model.planted import PLANTS, replacements
from tests.model.simulation import DISTURB, Report, Simulation
from tests.model.writers import World
from tests.prepared import prepare

GRACE = 2.5  # seconds, where the seconds of the hub are tenths


@asynccontextmanager
async def simulation(
    database: str, folder: Path, seed: int, *, access: bool
) -> AsyncGenerator[Simulation]:
    company = Company()
    company.write(folder)
    await prepare(database)
    async with here(database, folder) as house, open_store(database) as store:
        choose = random.Random(seed)
        world = World(store, house.tell, folder, company, house.snapshot, choose)
        yield Simulation(world, [house], choose, Report(seed), GRACE, access)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for owner, name, value in replacements(None, quick=True):
        monkeypatch.setattr(owner, name, value)


async def test_every_view_is_what_a_new_query_gives(database_url: str, tmp_path: Path) -> None:
    async with simulation(database_url, tmp_path, 1, access=True) as model:
        await model.run(100, 2)
    assert not model.report.wrong, str(model.report)
    assert model.report.counts["events"] > 100, str(model.report)


@pytest.mark.parametrize("plant", ["resume-skips", "resume-repeats"])
async def test_a_cursor_that_is_one_off_is_found(
    plant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _finds(plant, f"sqlite:///{tmp_path}/hub.db", tmp_path, monkeypatch)


@pytest.mark.long
# What is told before its commit shows only where transactions overlap: tests/proofs has it.
@pytest.mark.parametrize("plant", [one for one in PLANTS if one != "before-commit"])
async def test_a_planted_bug_is_found(
    plant: str, migrated_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _finds(plant, migrated_postgres_url, tmp_path, monkeypatch)


# How what is planted shows.
WORDS = {
    "resume-skips": "gap: ",
    "resume-repeats": "twice: ",
    "before-commit": "gap: ",
    "open-doors": "leak: it was told what",
    "tells-all": "leak: it was told of the line",
    "old-access": "leak: it was told what",
}


async def _finds(plant: str, database: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name, value in replacements(plant, quick=True):
        monkeypatch.setattr(owner, name, value)
    is_of_access = plant == "old-access"
    async with simulation(database, folder, 1, access=is_of_access) as model:
        if is_of_access:
            model.disturb = {**DISTURB, "grant": 10}
        # Where the machine is busy an old access is seldom used in time: it is tried for longer.
        await model.run(*((600, 8) if is_of_access else (150, 2)))
    assert any(WORDS[plant] in line for line in model.report.wrong), str(model.report)
