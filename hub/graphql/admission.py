"""Who may ask now: how often and how much at once each key does, counted in this process.

Several processes each count for themselves: what is protected is the process, and asking the
others would cost more than most answers do.
"""

import math
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
    _running: dict[str, int] = field(default_factory=dict)
    _streams: dict[str, int] = field(default_factory=dict)
    _connected: dict[str, int] = field(default_factory=dict)

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

    def running(self, viewer: Viewer) -> "Place":
        """Give a place among what a key has under way."""
        return Place(self._running, _who(viewer), "concurrent", self.limits.concurrent, 1)

    def streaming(self, viewer: Viewer) -> "Place":
        """Give a place among a key's sockets and streams."""
        return Place(self._streams, _who(viewer), "streams", self.limits.streams, 5)

    def connected(self) -> "Place":
        """Give a place among all sockets and streams of the process."""
        return Place(self._connected, "", "sockets", self.limits.sockets, 5)

    @property
    def connections(self) -> int:
        return self._connected.get("", 0)


def _who(viewer: Viewer) -> str:
    return viewer.identity or viewer.name


@dataclass(slots=True)
class Place:
    """One of the places that a key has, held within a block."""

    taken: dict[str, int]  # by whom; nobody is in it with none
    who: str
    name: str
    most: int
    again: int  # seconds after which to come again

    def __enter__(self) -> None:
        """Take it. Raises Refused where there is none."""
        taken = self.taken.get(self.who, 0)
        if taken >= self.most:
            raise over(self.name, None, self.most, {"retryAfter": self.again})
        self.taken[self.who] = taken + 1

    def __exit__(self, *_: object) -> None:
        taken = self.taken.pop(self.who) - 1
        if taken:
            self.taken[self.who] = taken
