"""The harness finds what it is there for: each planted bug, and nothing where there is none."""

import random

import pytest

from tests.crash.planted import POINTS, QUICKER, find
from tests.crash.processes import moments
from tests.crash.rounds import Plan, crash


@pytest.mark.parametrize("where", [*(point.where for point in POINTS.values()), *QUICKER])
def test_what_is_wrapped_is_in_the_hub(where: str) -> None:
    owner, name = find(where)
    assert getattr(owner, name) is not None


def test_a_seed_chooses_the_same_and_every_point_comes() -> None:
    points = list(POINTS)
    rounds = 2 * len(points)
    chosen = moments(random.Random(7), points, rounds)
    assert chosen == moments(random.Random(7), points, rounds)
    assert chosen != moments(random.Random(8), points, rounds)
    assert {point for point, _ in chosen} == {*points, None}


@pytest.mark.faults
@pytest.mark.parametrize(
    ("plant", "point", "words"),
    [
        ("cursor-first", "page scored", "lost: "),
        ("settle-first", "delivery before send", "never got the change"),
        ("new-id", "delivery after send", " ids"),
        ("open-doors", "page read", "which is not for it"),
    ],
)
async def test_a_planted_bug_is_found(plant: str, point: str, words: str) -> None:
    report = await crash(Plan(rounds=2, seed=1, points=[point], plant=plant))
    assert report.kills == {point: 2}, report.table()
    assert any(words in line for line in report.differences), report.table()


@pytest.mark.faults
async def test_without_one_nothing_is_found() -> None:
    report = await crash(Plan(rounds=2, seed=1, points=["page scored"]))
    assert report.differences == [], report.table()
    assert report.counts["received"] > 0
