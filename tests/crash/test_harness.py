"""The harness finds what it is there for: each planted bug, and nothing where there is none."""

import pytest

from tests.crash.planted import POINTS, QUICKER, find
from tests.crash.rounds import MODES, Plan, crash


@pytest.mark.parametrize("where", [*(point.where for point in POINTS.values()), *QUICKER])
def test_what_is_wrapped_is_in_the_hub(where: str) -> None:
    owner, name = find(where)
    assert getattr(owner, name) is not None


@pytest.mark.parametrize("mode", MODES)
def test_a_seed_chooses_the_same_and_every_point_comes(mode: str) -> None:
    rounds = 3 * len(POINTS)
    dealt = Plan(rounds, 7, list(POINTS), mode=mode).ends()
    assert dealt == Plan(rounds, 7, list(POINTS), mode=mode).ends()
    assert dealt != Plan(rounds, 8, list(POINTS), mode=mode).ends()
    assert sum(len(ends) for _, ends in dealt) == rounds
    assert {point for _, ends in dealt for point, _ in ends} == {*POINTS, None}


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
    assert report.kills == {f"serve: {point}": 2}, report.table()
    # It is a bug of the kind that is meant: the hub goes on and ends in peace.
    assert report.recovery is not None, report.table()
    assert report.counts["received"] > 0, report.table()
    assert "the log says Traceback" not in report.differences, report.table()
    assert any(words in line for line in report.differences), report.table()


@pytest.mark.faults
async def test_without_one_nothing_is_found() -> None:
    report = await crash(Plan(rounds=2, seed=1, points=["page scored"]))
    assert report.differences == [], report.table()
    assert report.counts["received"] > 0
