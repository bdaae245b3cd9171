"""Which roles should hear of a signal, how much it matters to each, and why. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial

from hub.access import Condition, holds, sees
from hub.declared import Role
from hub.kinds import Severity, kind_info, matches_kind
from hub.signals import Facts, Outcome, Reason, Relevance, Signal, Status, iso

# How much of a role's severity weight each severity adds.
_SEVERITY = {
    Severity.INFO: 0.0,
    Severity.LOW: 0.1,
    Severity.MEDIUM: 0.3,
    Severity.HIGH: 0.6,
    Severity.CRITICAL: 1.0,
}


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A role with everything that does not depend on the signal worked out."""

    role: Role
    condition: Condition
    accounts: Mapping[str, tuple[str, float]]
    keywords: tuple[tuple[str, float], ...]
    prior: Callable[[str], tuple[float, str]]


class Router:
    """The roles of one configuration, made ready to judge many signals."""

    def __init__(self, roles: Mapping[str, Role]) -> None:
        self.roles = [
            _Prepared(
                role,
                sees(role.rule),
                {
                    name.casefold(): (name, weight)
                    for name, weight in role.interests.accounts.items()
                },
                tuple(
                    (word.casefold(), weight) for word, weight in role.interests.keywords.items()
                ),
                lru_cache(maxsize=1024)(partial(_kind_prior, dict(role.interests.kinds))),
            )
            for role in roles.values()
        ]

    def audience(self, signal: Signal, notify_after: datetime | None = None) -> list[Relevance]:
        """Judge one signal for every role.

        What happened before `notify_after` is history: scored, never pushed.
        """
        facts = facts_of(signal)
        text = f"{signal.title}\n{signal.summary}\n{signal.body or ''}".casefold()
        return [self._relevance(one, signal, facts, text, notify_after) for one in self.roles]

    def _relevance(
        self,
        one: _Prepared,
        signal: Signal,
        facts: Facts,
        text: str,
        notify_after: datetime | None,
    ) -> Relevance:
        role = one.role
        if not holds(one.condition, facts):
            return Relevance(role.name, 0.0, (), Outcome.NOT_PERMITTED)
        reasons = tuple(self._reasons(one, signal, text))
        score = round(min(1.0, max(0.0, sum(reason.weight for reason in reasons))), 4)
        if score < role.threshold:
            outcome = Outcome.BELOW_THRESHOLD
        elif notify_after is not None and signal.revised_at < notify_after:
            outcome = Outcome.HISTORY
        else:
            outcome = Outcome.SENT
        return Relevance(role.name, score, reasons, outcome)

    def _reasons(self, one: _Prepared, signal: Signal, text: str) -> list[Reason]:
        interests = one.role.interests
        reasons: list[Reason] = []
        prior, pattern = one.prior(signal.kind)
        if prior:
            about = kind_info(signal.kind).about
            reasons.append(Reason("kind", prior, f"{about} ({pattern})"))
        if near := interests.departments.get(signal.department):
            reasons.append(Reason("department", near, f"from {signal.department}"))
        # A happening that is over is news, but no longer urgent.
        if signal.status not in {Status.RESOLVED, Status.DELETED}:
            weight = round(interests.severity * _SEVERITY[signal.severity], 4)
            if weight:
                reasons.append(Reason("severity", weight, signal.severity.name.lower()))
        if signal.account and (named := one.accounts.get(signal.account.name.casefold())):
            reasons.append(Reason("account", named[1], f"{named[0]} is an account of interest"))
        reasons.extend(
            Reason("keyword", weight, f"says “{word}”")
            for word, weight in one.keywords
            if word in text
        )
        if interests.addressed and one.role.name in _asked(signal):
            reasons.append(Reason("addressed", interests.addressed, f"asks {one.role.name}"))
        return reasons


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
    if isinstance(asked, str):
        return frozenset({asked})
    if isinstance(asked, list):
        return frozenset(name for name in asked if isinstance(name, str))
    return frozenset()
