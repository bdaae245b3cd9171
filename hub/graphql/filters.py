"""What a caller narrows a list of signals by, as the condition tree of `hub.access`."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated

import strawberry

from hub.access import (
    Always,
    AtLeast,
    Before,
    Condition,
    Field,
    HasLabel,
    In,
    Since,
    all_of,
)
from hub.errors import Code, Refused
from hub.graphql.enums import Department, Severity, Status
from hub.signals import iso

MOST_VALUES = 50


@strawberry.input(description="Narrows a list of signals: every part that is given must hold.")
class SignalFilter:
    kinds: list[str] | None = strawberry.field(
        default=None, description="One of these kinds; `sales.*` takes every kind below sales."
    )
    departments: list[Department] | None = strawberry.field(
        default=None, description="From one of these departments."
    )
    sources: list[str] | None = strawberry.field(
        default=None, description="Through one of these sources, by name."
    )
    accounts: list[strawberry.ID] | None = strawberry.field(
        default=None, description="About one of these accounts."
    )
    labels: list[str] | None = strawberry.field(
        default=None, description="With one of these labels."
    )
    statuses: list[Status] | None = strawberry.field(
        default=None, description="With one of these statuses."
    )
    min_severity: Severity | None = strawberry.field(
        default=None, description="As severe as this or more."
    )
    occurred_after: datetime | None = strawberry.field(
        default=None, description="That occurred at this time or later."
    )
    occurred_before: datetime | None = strawberry.field(
        default=None, description="That occurred before this time."
    )

    text: str | None = strawberry.field(
        default=None,
        description="That say this: words, beginnings (`escal*`) and phrases (in quotes). Not for "
        "subscriptions.",
    )

    def condition(self, says: Callable[[str], Condition]) -> Condition:
        """Turn the filter into a condition. Raises Refused for a list or time it cannot take.

        `says` makes one of its text: what may be read of a signal is what may be found of it.
        """
        return all_of(
            In("kind", _values("kinds", self.kinds)) if self.kinds is not None else Always(),
            _in("department", "departments", self.departments),
            _in("source", "sources", self.sources),
            _in("account", "accounts", self.accounts),
            _in("status", "statuses", self.statuses),
            HasLabel(_values("labels", self.labels)) if self.labels is not None else Always(),
            AtLeast("severity", int(self.min_severity))
            if self.min_severity is not None
            else Always(),
            Since(_time("occurredAfter", self.occurred_after)) if self.occurred_after else Always(),
            Before(_time("occurredBefore", self.occurred_before))
            if self.occurred_before
            else Always(),
            says(self.text) if self.text is not None else Always(),
        )


FilterBy = Annotated[
    SignalFilter | None, strawberry.argument(description="Only those that it lets through.")
]


def _in(field: Field, name: str, values: Sequence[str] | None) -> Condition:
    if values is None:
        return Always()
    return In(field, _values(name, values))


def _values(name: str, values: Sequence[str] | None) -> frozenset[str]:
    # No stored text has a NUL, which PostgreSQL refuses even to compare with.
    given = frozenset(str(value) for value in values or () if "\0" not in str(value))
    if len(given) > MOST_VALUES:
        raise Refused(
            Code.INVALID,
            f"filter.{name} has {len(given)} values",
            f"Give at most {MOST_VALUES}",
            {"limit": MOST_VALUES},
        )
    return given


def _time(name: str, at: datetime) -> str:
    if at.tzinfo is None:
        raise Refused(Code.INVALID, f"filter.{name} has no time zone", "Write 2026-11-24T09:00:00Z")
    try:
        return iso(at)
    except OverflowError:
        raise Refused(Code.INVALID, f"filter.{name} is a time that no calendar has") from None
