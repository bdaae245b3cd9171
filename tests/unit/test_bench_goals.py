"""CI forgives noise in a benchmark, not a lost promise."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "bench_goals.py"


def judge(tmp_path: Path, *results: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(results))
    return subprocess.run(
        [sys.executable, SCRIPT, path], capture_output=True, text=True, check=False
    )


def result(**facts: Any) -> dict[str, Any]:
    return {
        "name": "query.page",
        "value": 1.0,
        "unit": "ms",
        "baseline": "stock strawberry",
        "ratio": 10.0,
        "better": "higher",
        "goal": 10.0,
        "ok": True,
    } | facts


@pytest.mark.parametrize(
    ("facts", "exit_code"),
    [
        ({"ratio": 12.0}, 0),
        ({"ratio": 8.1, "ok": False}, 0),
        ({"ratio": 7.9, "ok": False}, 1),
        ({"better": "lower", "ratio": 0.5, "goal": 1.0}, 0),
        ({"better": "lower", "ratio": 1.2, "goal": 1.0}, 0),
        ({"better": "lower", "ratio": 1.3, "goal": 1.0}, 1),
        ({"ratio": None}, 0),
        ({"goal": None}, 0),
    ],
)
def test_a_ratio_may_miss_its_goal_by_a_fifth(
    tmp_path: Path, facts: dict[str, Any], exit_code: int
) -> None:
    said = judge(tmp_path, result(), result(**facts))
    assert said.returncode == exit_code, said.stdout + said.stderr
    assert f"{2 - exit_code} of 2" in said.stdout


def test_no_results_are_no_success(tmp_path: Path) -> None:
    assert judge(tmp_path).returncode == 1
