"""Says of each client what is not as promised: gaps, repeats, leaks, a view unlike the list."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hub.graphql.relay import read_log_cursor
from hub.signals import ChangeType, Facts
from hub.store.log import Change
from tests.model.clients import Client, Epoch, View
from tests.model.company import Role

MOST_SHOWN = 5  # differences of one view


@dataclass(slots=True)
class Sight:
    """What a key's roles were at a time: by name, and all that anybody's feed goes by."""

    roles: Mapping[str, Role]
    began: float
    ended: float = math.inf

    def reads(self, what: Facts) -> bool:
        return any(role.reads(what) for role in self.roles.values())

    def knows(self, what: Facts) -> bool:
        return any(role.knows(what) for role in self.roles.values())

    def feeds(self, role: str, what: Facts) -> bool:
        """Say whether it is in a role's feed, as far as this viewer may know that it is."""
        rule = self.roles.get(role)
        if rule is None or what.scores.get(role, -1.0) < rule.threshold or not rule.knows(what):
            return False
        return self.reads(what) if rule.reads(what) else self.knows(what)


@dataclass(slots=True)
class Sights:
    """All that a key could see, one after the other. `grace`: seconds until a change is noticed."""

    grace: float
    all: list[Sight] = field(default_factory=list)

    def change(self, roles: Mapping[str, Role], before: float, after: float) -> None:
        """Note a change that was made between two times."""
        if self.all:
            self.all[-1].ended = after
        self.all.append(Sight(dict(roles), before))

    def during(self, began: float, ended: float) -> list[Sight]:
        """Give those that may have been in force at any time of these."""
        return [one for one in self.all if one.began <= ended and one.ended + self.grace >= began]


# Whether a filter takes facts as a viewer may read them; the last is its answer where labels were
# erased from the log since.
Filter = Callable[[Facts, Sight, bool], bool]


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges one client by a copy of the whole log. `head`: the line that everybody must have."""

    client: Client
    sights: Sights
    filter: Filter
    lines: Sequence[Change]
    head: int

    def wrong(self, fresh: View | None) -> Iterator[str]:
        """Say all that is wrong; `fresh` is what a new query gives, None where it is refused."""
        name = self.client.name
        yield from (f"{name}: {line}" for line in self._leaks())
        for place, epoch in enumerate(self.client.epochs):
            is_last = place == len(self.client.epochs) - 1
            whole = is_last and fresh is not None
            yield from (f"{name}: {line}" for line in self._epoch(epoch, is_whole=whole))
        if fresh is not None:
            yield from (f"{name}: {line}" for line in _differences(self.client.view, fresh))

    def forget(self, at: float) -> None:
        """Keep of what was judged only what the next judgement goes on from."""
        self.client.told.clear()
        if self.client.epochs and self.client.after is not None:
            self.client.epochs[:] = [Epoch(read_log_cursor(self.client.after), at)]
        else:
            self.client.epochs.clear()

    def _shows(self, sight: Sight, what: Facts, *, unknown: bool) -> bool:
        if self.client.asks == "feed":
            return sight.feeds(self.client.variables["role"], what)
        return sight.knows(what) and self.filter(what, sight, unknown)

    def _is_there(self, sight: Sight, what: Facts) -> bool:
        """Say whether there is something to be shown, were it asked for."""
        is_judged = self.client.asks != "feed" or self.client.variables["role"] in what.scores
        return is_judged and sight.knows(what)

    def _leaks(self) -> Iterator[str]:
        about: dict[str, list[Facts]] = defaultdict(list)
        for line in self.lines:
            about[line.signal_id] += [line.now, *([line.was] if line.was else [])]
        for told in self.client.told:
            sights = self.sights.during(told.at, told.at)
            for what in told.marks:
                if not any(one.reads(what) for one in sights):
                    yield f"leak: it was told what a {what.kind} says, of {what.classification}"
            if told.withdrawn is not None:
                ever = self.sights.during(0, told.at)
                known = about[told.withdrawn]
                if not any(one.knows(what) for one in ever for what in known):
                    yield f"leak: it was told of {told.withdrawn}, of which it never could know"

    def _epoch(self, epoch: Epoch, *, is_whole: bool) -> Iterator[str]:
        """Compare what came with what had to come."""
        seen = epoch.seen
        for one, after in zip([epoch.start, *seen], seen, strict=False):
            if after == one:
                yield f"twice: the line {after} came again"
            elif after <= one:
                yield f"order: the line {after} came after {one}"
        end = self.head if is_whole else max(seen, default=epoch.start)
        ended = math.inf if is_whole else epoch.last or epoch.began
        sights = self.sights.during(epoch.began, ended)
        came = set(seen)
        hidden = self._hidden(sights)
        erased = self._erased()
        for line in self.lines:
            if not epoch.start < line.seq <= end:
                continue
            states = self._states(line)
            if line.signal_id in erased:  # who was told before, by the labels; who comes later, not
                states = [replace(one, labels=None) for one in states]
            due = all(any(self._shows(one, w, unknown=False) for w in states) for one in sights)
            may = any(any(self._shows(one, w, unknown=True) for w in states) for one in sights)
            if line.seq in came and not may:
                yield f"leak: it was told of the line {line.seq}, which is not for it"
            late = hidden.get(line.signal_id, 0)
            if line.seq not in came and due and late <= line.seq:
                yield f"gap: the line {line.seq} of {line.signal_id} ({line.type}) never came"

    def _states(self, line: Change) -> list[Facts]:
        """Give what a line tells of: what it was, and what it became."""
        if line.type is ChangeType.HISTORY:
            return []
        now = [] if line.type is ChangeType.EXPIRED else [line.now]
        return now + ([line.was] if line.was is not None else [])

    def _erased(self) -> set[str]:
        """Name the signals whose labels were taken out of the log: of lines before, too."""
        return {
            line.signal_id
            for line in self.lines
            if line.now.labels is None or (line.was is not None and line.was.labels is None)
        }

    def _hidden(self, sights: Sequence[Sight]) -> dict[str, int]:
        """Give by signal the last line after which it was hidden, or gone.

        What is hidden by the time it would be told of is not told of; that it is hidden is.
        """
        found: dict[str, int] = {}
        for line in self.lines:
            if line.type is ChangeType.HISTORY:
                continue
            gone = line.type is ChangeType.EXPIRED
            if gone or not all(self._is_there(one, line.now) for one in sights):
                found[line.signal_id] = line.seq
        return found


def _differences(view: View, fresh: View) -> Iterator[str]:
    missing, more = fresh.keys() - view.keys(), view.keys() - fresh.keys()
    others = [id_ for id_ in fresh.keys() & view.keys() if fresh[id_] != view[id_]]
    for what, ids in (("lacks", missing), ("still has", more)):
        for id_ in sorted(ids)[:MOST_SHOWN]:
            yield f"view: it {what} {(fresh.get(id_) or view[id_])['title']!r} ({id_})"
    for id_ in sorted(others)[:MOST_SHOWN]:
        parts = {
            name: (view[id_].get(name), value)
            for name, value in fresh[id_].items()
            if view[id_].get(name) != value
        }
        yield f"view: of {id_} it has (view, fresh) {parts}"
