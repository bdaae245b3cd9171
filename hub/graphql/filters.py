"""What a caller narrows a list of signals by, as the condition tree of `hub.access`."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Annotated

import strawberry

from hub.access import (
    AllOf,
    AnyOf,
    AtLeast,
    AtMost,
    Before,
    Condition,
    Field,
    HasLabel,
    In,
    Never,
    Not,
    Says,
    Since,
    all_of,
    any_of,
)
from hub.errors import Code, Refused
from hub.graphql.enums import Department, Family, Severity, Status
from hub.kinds import kinds_of
from hub.signals import iso
from hub.words import read_query

MOST_VALUES = 50  # of one list
MOST_FILTERS = 50  # of one tree
MOST_IN_ALL = 500  # values of one tree, as they are compared: each is a part of a statement
DEEPEST = 8

_described = strawberry.field


@strawberry.input(
    description="Narrows a list of signals: every part that is given must hold. Filters nest to a "
    "depth of 8, 50 of them at most; a list takes 50 values, all lists together 500: of a family "
    "its kinds count, of a text its words."
)
class SignalFilter:
    kinds: list[str] | None = _described(
        default=None,
        description="One of these kinds; `sales.*` takes every kind below sales, `*` takes all.",
    )
    families: list[Family] | None = _described(
        default=None, description="Of a kind of one of these groups."
    )
    departments: list[Department] | None = _described(
        default=None, description="From one of these departments."
    )
    sources: list[str] | None = _described(
        default=None, description="Through one of these sources, by name."
    )
    accounts: list[strawberry.ID] | None = _described(
        default=None, description="About one of these accounts."
    )
    labels: list[str] | None = _described(default=None, description="With one of these labels.")
    all_labels: list[str] | None = _described(default=None, description="With all of these labels.")
    statuses: list[Status] | None = _described(
        default=None, description="With one of these statuses."
    )
    min_severity: Severity | None = _described(
        default=None, description="As severe as this or more."
    )
    max_severity: Severity | None = _described(
        default=None, description="As severe as this or less."
    )
    occurred_after: datetime | None = _described(
        default=None, description="That occurred at this time or later."
    )
    occurred_before: datetime | None = _described(
        default=None, description="That occurred before this time."
    )
    and_: list["SignalFilter"] | None = _described(
        default=None, name="and", description="That all of these let through; none lets all."
    )
    or_: list["SignalFilter"] | None = _described(
        default=None, name="or", description="That one of these lets through; none lets nothing."
    )
    not_: "SignalFilter | None" = _described(
        default=None, name="not", description="That this does not let through."
    )
    text: str | None = _described(
        default=None,
        description="That say this: words, beginnings (`escal*`) and phrases (in quotes). Not for "
        "subscriptions.",
    )

    def condition(self, told: Callable[[Condition], Condition]) -> Condition:
        """Turn the filter into a condition. Raises Refused for what it cannot take.

        `told` narrows what goes by what was said to the signals that may be read: see
        `hub.graphql.context`.
        """
        return _Reading(told).tree(self, 1)


FilterBy = Annotated[
    SignalFilter | None, strawberry.argument(description="Only those that it lets through.")
]


class _Reading:
    """Reads one tree, and refuses it as soon as it is too deep or too large."""

    def __init__(self, told: Callable[[Condition], Condition]) -> None:
        self.told = told
        self.filters = 0
        self.values = 0

    def tree(self, given: SignalFilter, depth: int) -> Condition:
        self.filters += 1
        if self.filters > MOST_FILTERS:
            raise _too(f"The filter has more than {MOST_FILTERS} filters in it", MOST_FILTERS)
        if depth > DEEPEST:
            raise _too(f"The filter nests deeper than {DEEPEST} levels", DEEPEST)
        parts, of_words = list(_leaves(given)), list(_of_words(given))
        self.values += sum(map(_count, (*parts, *of_words)))
        if self.values > MOST_IN_ALL:
            raise _too(f"The filter has more than {MOST_IN_ALL} values in it", MOST_IN_ALL)
        if of_words:
            parts.append(self.told(all_of(*of_words)))
        if given.and_ is not None:
            parts.append(all_of(*(self.tree(one, depth + 1) for one in given.and_)))
        if given.or_ is not None:
            parts.append(any_of(*(self.tree(one, depth + 1) for one in given.or_)))
        if given.not_ is not None:
            parts.append(Not(self.tree(given.not_, depth + 1)))
        return all_of(*parts)


def _leaves(given: SignalFilter) -> Iterator[Condition]:
    if given.kinds is not None:
        yield In("kind", _values("kinds", given.kinds))
    if given.families is not None:
        yield _families(given.families)
    named: list[tuple[Field, str, Sequence[str] | None]] = [
        ("department", "departments", given.departments),
        ("source", "sources", given.sources),
        ("account", "accounts", given.accounts),
        ("status", "statuses", given.statuses),
    ]
    for field, name, values in named:
        if values is not None:
            yield In(field, _values(name, values))
    yield from _limits(given)


def _of_words(given: SignalFilter) -> Iterator[Condition]:
    """Give what looks at what a signal says, and not only at its outline."""
    if given.labels is not None:
        yield HasLabel(_values("labels", given.labels))
    if given.all_labels is not None:
        yield _all_labels(given.all_labels)
    if given.text is not None:
        read_query(given.text)
        yield Says(given.text)


def _limits(given: SignalFilter) -> Iterator[Condition]:
    if given.min_severity is not None:
        yield AtLeast("severity", int(given.min_severity))
    if given.max_severity is not None:
        yield AtMost("severity", int(given.max_severity))
    if given.occurred_after is not None:
        yield Since(_time("occurredAfter", given.occurred_after))
    if given.occurred_before is not None:
        yield Before(_time("occurredBefore", given.occurred_before))


def _count(condition: Condition) -> int:
    """Count what a signal is compared with."""
    match condition:
        case In(_, values) | HasLabel(values):
            return len(values)
        case Says(query):
            return len(read_query(query).terms)
        case Not(of):
            return _count(of)
        case AllOf(of) | AnyOf(of):
            return sum(map(_count, of))
        case _:
            return 0


def _all_labels(labels: Sequence[str]) -> Condition:
    wanted = frozenset(labels)
    if wanted != _values("allLabels", labels):
        return Never()
    return all_of(*(HasLabel(frozenset({label})) for label in sorted(wanted)))


def _families(families: Sequence[Family]) -> Condition:
    """Name the kinds of families; what the catalogue does not know is generic."""
    _values("families", families)
    wanted = frozenset(families)
    known = In("kind", frozenset(kind for family in wanted for kind in kinds_of(family)))
    if Family.GENERIC not in wanted:
        return known
    every = frozenset(kind for family in Family for kind in kinds_of(family))
    return any_of(known, Not(In("kind", every)))


def _values(name: str, values: Sequence[str]) -> frozenset[str]:
    if len(values) > MOST_VALUES:
        raise Refused(
            Code.INVALID,
            f"filter.{name} has {len(values)} values",
            f"Give at most {MOST_VALUES}",
            {"limit": MOST_VALUES},
        )
    # No stored text has a NUL, which PostgreSQL refuses even to compare with.
    return frozenset(str(value) for value in values if "\0" not in str(value))


def _too(what: str, limit: int) -> Refused:
    return Refused(Code.INVALID, what, "Ask in several requests, or less deeply", {"limit": limit})


def _time(name: str, at: datetime) -> str:
    if at.tzinfo is None:
        raise Refused(Code.INVALID, f"filter.{name} has no time zone", "Write 2026-11-24T09:00:00Z")
    try:
        return iso(at)
    except OverflowError:
        raise Refused(Code.INVALID, f"filter.{name} is a time that no calendar has") from None
