"""What is counted and timed with every request, on the loop's own thread.

The instruments of a library take a lock for each step, which took half of the time in which a
repeated request is answered. These only add up; `hub.metrics` writes them as the others.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate


class Count:
    """How often something happened."""

    __slots__ = ("times",)

    def __init__(self) -> None:
        self.times = 0

    def inc(self) -> None:
        self.times += 1


class Counts:
    """A count for each combination of labels."""

    def __init__(self, *labels: str) -> None:
        self.names = labels
        self._counts: dict[tuple[str, ...], Count] = {}

    def labels(self, *values: object) -> Count:
        return self._counts.setdefault(tuple(map(str, values)), Count())

    def __iter__(self) -> Iterator[tuple[tuple[str, ...], int]]:
        for values, count in self._counts.items():
            yield values, count.times


class Times:
    """How long something took, each time, by upper bounds in seconds."""

    __slots__ = ("_bounds", "_times", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._times = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self._times[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds

    def up_to(self) -> Iterator[tuple[float, int]]:
        """Tell how often it took up to each bound; the last has none."""
        return zip((*self._bounds, float("inf")), accumulate(self._times), strict=True)


class Durations:
    """The times of each value of a label."""

    def __init__(self, label: str, bounds: tuple[float, ...]) -> None:
        self.name = label
        self._bounds = bounds
        self._times: dict[str, Times] = {}

    def labels(self, value: str) -> Times:
        return self._times.setdefault(value, Times(self._bounds))

    def __iter__(self) -> Iterator[tuple[str, Times]]:
        yield from self._times.items()
