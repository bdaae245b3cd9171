"""Kills the hub again and again, lets it recover, and counts what is missing.

python -m tests.crash [--rounds 20] [--mode embedded] [--seed 1] [--plant cursor-first]
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from tests.crash.planted import PLANTS, POINTS
from tests.crash.rounds import MODES, Plan, crash


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.crash", description="Kill -9, and nothing lost.")
    parser.add_argument("--rounds", type=int, default=20, help="how often it is killed")
    parser.add_argument("--mode", choices=MODES, default="embedded", help="one process, or many")
    parser.add_argument("--seed", type=int, default=1, help="the same seed chooses the same")
    parser.add_argument("--plant", choices=sorted(PLANTS), help="a bug that must be found")
    parser.add_argument("--point", choices=sorted(POINTS), help="kill there and nowhere else")
    given = parser.parse_args(arguments)
    points = [given.point] if given.point else list(POINTS)
    report = asyncio.run(crash(Plan(given.rounds, given.seed, points, given.plant, given.mode)))
    sys.stdout.write(report.table())
    return 1 if report.differences else 0


if __name__ == "__main__":
    sys.exit(main())
