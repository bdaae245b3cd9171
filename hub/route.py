"""Which roles should hear of a signal, how much it matters to each, and why. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from hub.access import holds, reads, sees
from hub.declared import Role
from hub.kinds import Department, Severity, kind_info, matches_kind
from hub.signals import (
    Classification,
    Facts,
    Outcome,
    Reason,
    Relevance,
    Signal,
    Status,
    iso,
)

MOST_KNOWN = 16  # sets of keywords that are remembered for a role and a sort
_NOBODY: frozenset[str] = frozenset()
# How much of a role's severity weight each severity adds.
_SEVERITY = {
    Severity.INFO: 0.0,
    Severity.LOW: 0.1,
    Severity.MEDIUM: 0.3,
    Severity.HIGH: 0.6,
    Severity.CRITICAL: 1.0,
}


class _Sort(NamedTuple):
    """What a role's rule and most of its interests look at: a role meets few sorts of signals."""

    kind: str
    department: Department
    classification: Classification
    source: str
    severity: Severity
    is_over: bool


@dataclass(frozen=True, slots=True)
class _Said:
    """What only this signal has: its account, the keywords in its text, whom it asks."""

    account: str | None
    words: tuple[str, ...]
    asked: frozenset[str]


class Router:
    """The roles of one configuration, made ready to judge many signals."""

    def __init__(self, roles: Mapping[str, Role]) -> None:
        self._judges = [_Judge(role) for role in roles.values()]
        self._words = sorted({word for judge in self._judges for word, _ in judge.keywords})
        self._usual = lru_cache(maxsize=1024)(self._of_sort)

    def audience(self, signal: Signal, notify_after: datetime | None = None) -> list[Relevance]:
        """Judge one signal for every role.

        What happened before `notify_after` is history: scored, never pushed.
        """
        said = self._said(signal)
        found = [usual.relevance(said) for usual in self._usual(_sort_of(signal))]
        if notify_after is None or signal.revised_at >= notify_after:
            return found
        return [
            Relevance(one.role, one.score, one.reasons, Outcome.HISTORY)
            if one.outcome is Outcome.SENT
            else one
            for one in found
        ]

    def _of_sort(self, sort: _Sort) -> list["_Usual"]:
        return [judge.of_sort(sort) for judge in self._judges]

    def _said(self, signal: Signal) -> _Said:
        text = f"{signal.title}\n{signal.summary}\n{signal.body or ''}".casefold()
        return _Said(
            signal.account.name.casefold() if signal.account else None,
            tuple([word for word in self._words if word in text]),
            _asked(signal),
        )


class _Judge:
    """One role, with everything that does not depend on the signal worked out."""

    def __init__(self, role: Role) -> None:
        interests = role.interests
        self.role = role
        self.condition = sees(role.rule)
        self.readable = reads(role.rule)
        self.accounts = {
            name.casefold(): Reason("account", weight, f"{name} is an account of interest")
            for name, weight in interests.accounts.items()
        }
        self.keywords = [
            (word.casefold(), Reason("keyword", weight, f"says “{word.casefold()}”"))
            for word, weight in interests.keywords.items()
        ]
        self.words = {word for word, _ in self.keywords}

    def of_sort(self, sort: _Sort) -> "_Usual":
        """Judge what all signals of a sort have in common; say whether the role reads them.

        Of what it knows in outline only, it hears by what the outline says: see `hub.outline`.
        """
        # A rule looks at nothing that is not in the sort; `Facts` has more, for filters.
        facts = Facts(*sort[:5], status="", occurred_at="")
        if not holds(self.condition, facts):
            hidden = Relevance(self.role.name, 0.0, (), Outcome.NOT_PERMITTED)
            return _Usual(self, hidden, is_read=False)
        interests = self.role.interests
        reasons: list[Reason] = []
        prior, pattern = _kind_prior(interests.kinds, sort.kind)
        if prior:
            about = kind_info(sort.kind).about
            reasons.append(Reason("kind", prior, f"{about} ({pattern})"))
        if near := interests.departments.get(sort.department):
            reasons.append(Reason("department", near, f"from {sort.department}"))
        weight = round(interests.severity * _SEVERITY[sort.severity], 4)
        if weight and not sort.is_over:
            reasons.append(Reason("severity", weight, sort.severity.name.lower()))
        return _Usual(self, self.judged(tuple(reasons)), is_read=holds(self.readable, facts))

    def more(self, said: _Said, *, is_read: bool) -> list[Reason]:
        """Give the reasons that not all signals of its sort have."""
        more: list[Reason] = []
        if said.account and (named := self.accounts.get(said.account)):
            more.append(named)
        if said.words and is_read:
            more.extend(reason for word, reason in self.keywords if word in said.words)
        if is_read and self.role.name in said.asked and (weight := self.role.interests.addressed):
            more.append(Reason("addressed", weight, f"asks {self.role.name}"))
        return more

    def judged(self, reasons: tuple[Reason, ...]) -> Relevance:
        score = round(min(1.0, max(0.0, sum(reason.weight for reason in reasons))), 4)
        outcome = Outcome.SENT if score >= self.role.threshold else Outcome.BELOW_THRESHOLD
        return Relevance(self.role.name, score, reasons, outcome)


class _Usual:
    """How a role judges signals of one sort; what was judged for the same words is known."""

    def __init__(self, judge: _Judge, usual: Relevance, *, is_read: bool) -> None:
        self.usual = usual
        self._judge = judge
        self._is_read = is_read
        self._known: dict[tuple[str, ...], Relevance] = {}

    def relevance(self, said: _Said) -> Relevance:
        if self.usual.outcome is Outcome.NOT_PERMITTED:
            return self.usual
        if said.account in self._judge.accounts or said.asked:
            return self._judged(said)
        words = tuple([word for word in said.words if word in self._judge.words])
        if not words:
            return self.usual
        found = self._known.get(words)
        if found is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            found = self._known[words] = self._judged(said)
        return found

    def _judged(self, said: _Said) -> Relevance:
        more = self._judge.more(said, is_read=self._is_read)
        return self._judge.judged((*self.usual.reasons, *more)) if more else self.usual


def _sort_of(signal: Signal) -> _Sort:
    return _Sort(
        signal.kind,
        signal.department,
        signal.classification,
        signal.source,
        signal.severity,
        # A happening that is over is news, but no longer urgent.
        signal.status in {Status.RESOLVED, Status.DELETED},
    )


def facts_of(signal: Signal, scores: Mapping[str, float] | None = None) -> Facts:
    return Facts(
        kind=signal.kind,
        department=signal.department,
        classification=signal.classification,
        source=signal.source,
        severity=signal.severity,
        status=signal.status,
        occurred_at=iso(signal.occurred_at),
        account=signal.account.id if signal.account else None,
        author=signal.author.id if signal.author else None,
        labels=signal.labels,
        scores=scores or {},
    )


def _kind_prior(weights: Mapping[str, float], kind: str) -> tuple[float, str]:
    """Find the weight of the longest pattern that takes this kind."""
    taking = [pattern for pattern in weights if matches_kind(pattern, kind)]
    longest = max(taking, key=len, default="")
    return weights.get(longest, 0.0), longest


def _asked(signal: Signal) -> frozenset[str]:
    """Name the roles a person's post asks something of (`attributes.asked_of`)."""
    asked = signal.attributes.get("asked_of")
    if asked is None:
        return _NOBODY
    if isinstance(asked, str):
        return frozenset({asked})
    if isinstance(asked, list):
        return frozenset(name for name in asked if isinstance(name, str))
    return frozenset()
