"""A measured result as `make bench` writes it, and the clocks that results are read from."""

import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row of build/bench.json.

    `ratio` is the figure divided by the baseline's, so that with `better` = higher it says how
    many times as good as the baseline we are. Without a goal it is a figure to look at.
    """

    name: str
    value: float
    unit: str
    baseline: str | None = None
    ratio: float | None = None
    better: Better = "higher"
    goal: float | None = None
    runs: int = 1
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool | None:
        if self.goal is None or self.ratio is None:
            return None
        return self.ratio >= self.goal if self.better == "higher" else self.ratio <= self.goal

    def with_detail(self, **more: Any) -> "Result":
        return replace(self, detail={**self.detail, **more})

    def row(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok}


@dataclass(frozen=True, slots=True)
class Cost:
    """What some work took: seconds on the wall, and of this process on the processors."""

    wall: float
    cpu: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.wall + other.wall, self.cpu + other.cpu)


NOTHING = Cost(0.0, 0.0)


class Clock:
    """Measures a `with` block; `cost` is what all of its blocks took together."""

    def __init__(self) -> None:
        self.cost = NOTHING

    def __enter__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.cost += Cost(time.perf_counter() - self._wall, time.process_time() - self._cpu)


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def spread(values: Iterable[float]) -> list[float]:
    """Give the lowest and the highest, to see how noisy the machine was."""
    known = list(values)
    return [rounded(min(known)), rounded(max(known))]


def rounded(value: float) -> float:
    return float(f"{value:.4g}")


def calibration() -> float:
    """Time a fixed loop of pure Python: how fast this machine is just now, in milliseconds."""
    times = []
    for _ in range(5):
        began = time.process_time()
        total = 0
        for number in range(1_000_000):
            total += number & 7
        times.append((time.process_time() - began) * 1000)
    return rounded(min(times))


def table(results: Iterable[Result]) -> str:
    """Write results for people, with what is noted of each below it."""
    lines = [f"{'name':<28}{'value':>11} {'unit':<14}{'ratio':>8}  {'baseline':<26}{'goal':>6}  ok"]
    for one in results:
        ratio = "" if one.ratio is None else f"{one.ratio:.3g}"
        goal = "" if one.goal is None else f"{one.goal:.3g}"
        ok = {None: "", True: "yes", False: "NO"}[one.ok]
        lines.append(
            f"{one.name:<28}{one.value:>11,.4g} {one.unit:<14}{ratio:>8}"
            f"  {one.baseline or '':<26}{goal:>6}  {ok}"
        )
        lines.extend(f"    {name}: {_words(value)}" for name, value in one.detail.items())
    return "\n".join(lines)


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(part)}" for name, part in value.items())
    if isinstance(value, list):
        return " to ".join(map(_words, value))
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
