"""Fail where a measured ratio falls below 0.8 of its goal: less is the noise of a shared machine.

Reads what `make bench` writes: [{"name", "value", "unit", "baseline", "ratio", "better", "goal",
"ok", ...}]. A result without ratio or goal is a figure to look at, not a promise.
"""

import json
import sys
from pathlib import Path
from typing import Any

TOLERANCE = 0.8


def reached(result: dict[str, Any]) -> float | None:
    """Say which part of its goal a result reached; 1 or more is all of it."""
    ratio, goal = result.get("ratio"), result.get("goal")
    if not ratio or not goal:
        return None
    part: float = ratio / goal if result["better"] == "higher" else goal / ratio
    return part


def main(path: Path) -> int:
    results = json.loads(path.read_text())
    if not results:
        sys.stdout.write("nothing was measured\n")
        return 1
    below = [one for one in results if (part := reached(one)) is not None and part < TOLERANCE]
    for one in below:
        sys.stdout.write(
            f"{one['name']}: {one['ratio']:.3g} times {one['baseline']}, the goal is"
            f" {one['goal']:.3g} ({one['better']} is better)\n"
        )
    sys.stdout.write(f"{len(results) - len(below)} of {len(results)} results are good enough\n")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
