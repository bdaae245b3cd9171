"""Who may ask now: how often and how much at once each key does, counted in this process.

Several processes each count for themselves: what is protected is the process, and asking the
others would cost more than most answers do.
"""

import math
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from hub.graphql.limits import Limits, over
from hub.signals import Viewer

MINUTE: Final = 60.0
SWEPT_AT: Final = 4096  # keys that were heard of, before those who have been quiet are left out


@dataclass(slots=True)
class Admission:
    """Counts by identity, so that a key and the sessions it opened are one.

    A key that was quiet for a minute may ask a minute's worth at once; then as many as come by in
    time. `_due` is when all that was asked is paid for (the generic cell rate algorithm).
    """

    limits: Limits
    _due: dict[str, float] = field(default_factory=dict)
    _running: Counter[str] = field(default_factory=Counter)
    _streams: Counter[str] = field(default_factory=Counter)

    def admit(self, viewer: Viewer) -> None:
        """Take one request of the minute. Raises Refused that says when to come again."""
        who, clock = _who(viewer), monotonic()
        due = max(self._due.get(who, clock), clock) + MINUTE / self.limits.requests
        if (wait := due - clock - MINUTE) > 1e-6:
            facts = {"retryAfter": max(math.ceil(wait), 1)}
            raise over("requests", None, self.limits.requests, facts)
        if len(self._due) >= SWEPT_AT:
            self._due = {one: at for one, at in self._due.items() if at > clock}
        self._due[who] = due

    @contextmanager
    def running(self, viewer: Viewer) -> Generator[None]:
        """Hold a place among what a key has under way. Raises Refused where there is none."""
        with _place(self._running, viewer, "concurrent", self.limits.concurrent, again=1):
            yield

    @contextmanager
    def streaming(self, viewer: Viewer) -> Generator[None]:
        """Hold a place among a key's sockets and streams. Raises Refused where there is none."""
        with _place(self._streams, viewer, "streams", self.limits.streams, again=5):
            yield


def _who(viewer: Viewer) -> str:
    return viewer.identity or viewer.name


@contextmanager
def _place(
    taken: Counter[str], viewer: Viewer, name: str, most: int, *, again: int
) -> Generator[None]:
    who = _who(viewer)
    if taken[who] >= most:
        raise over(name, None, most, {"retryAfter": again})
    taken[who] += 1
    try:
        yield
    finally:
        taken[who] -= 1
        if not taken[who]:
            del taken[who]
