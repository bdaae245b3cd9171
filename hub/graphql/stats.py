"""Counts of signals by their sorts."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from hub.access import all_of
from hub.errors import Code, Refused
from hub.graphql.context import Info
from hub.graphql.enums import Department, Dimension, Family, Interval, Severity, Status
from hub.graphql.filters import SignalFilter
from hub.graphql.named import Account, account_type
from hub.store.stats import signal_stats

MOST_BUCKETS = 1000

GroupBy = Annotated[list[Dimension], strawberry.argument(description="What to count them by.")]
Every = Annotated[
    Interval | None,
    strawberry.argument(description="How long a bucket of TIME is; a day without it."),
]


@strawberry.type(
    description="How many signals there are of one sort. What was not asked for is null, and an "
    "account is null for those that are about none."
)
class StatsBucket:
    count: int = strawberry.field(description="How many there are.")
    time: datetime | None = strawberry.field(default=None, description="When its time began.")
    department: Department | None = strawberry.field(default=None, description="Its department.")
    kind: str | None = strawberry.field(default=None, description="Its kind.")
    family: Family | None = strawberry.field(default=None, description="The group of its kinds.")
    source: str | None = strawberry.field(default=None, description="Its source, by name.")
    account: Account | None = strawberry.field(default=None, description="Its account.")
    severity: Severity | None = strawberry.field(default=None, description="Its severity.")
    status: Status | None = strawberry.field(default=None, description="Its status.")


async def read_stats(
    info: Info, given: SignalFilter | None, group_by: list[Dimension], interval: Interval | None
) -> list[StatsBucket]:
    """Count what the viewer may see. Raises Refused for nothing to count by, or too many sorts."""
    visible = info.context.visible
    if not group_by:
        raise Refused(
            Code.INVALID,
            "groupBy names nothing to count by",
            "Name a dimension, or select totalCount of signals for the number of all",
        )
    if interval is not None and Dimension.TIME not in group_by:
        raise Refused(
            Code.INVALID, "interval says how long a bucket of TIME is", "Name TIME in groupBy"
        )
    wanted = all_of(visible, given.condition(info.context.told)) if given else visible
    dimensions = list(dict.fromkeys(group_by))
    async with info.context.runtime.store.read() as connection:
        found = await signal_stats(
            connection, wanted, dimensions, interval or Interval.DAY, MOST_BUCKETS
        )
    if found is None:
        raise Refused(
            Code.INVALID,
            f"There are more than {MOST_BUCKETS} sorts to count",
            "Narrow the filter, take a longer interval or fewer dimensions",
            {"limit": MOST_BUCKETS},
        )
    return [_bucket(sorts, count) for sorts, count in found]


def _bucket(sorts: dict[Dimension, Any], count: int) -> StatsBucket:
    values: dict[str, Any] = {one.value: value for one, value in sorts.items()}
    for name, make in (("department", Department), ("family", Family), ("status", Status)):
        if name in values:
            values[name] = make(values[name])
    if "account" in values:
        values["account"] = account_type(values["account"])
    return StatsBucket(count=count, **values)
