"""How soon a source is asked again: as it says, or less often while it brings nothing."""

from datetime import datetime, timedelta

from hub.config import SourceConfig
from hub.store.sources import Standing

PART = 10
"""A source that was quiet for an hour is asked again within a tenth of that."""


def pace(source: SourceConfig, standing: Standing, at: datetime, *, brought: bool) -> timedelta:
    """Say how long to wait after a poll that went well. Pure.

    Never sooner than `every`, never later than `slowest`; without a `slowest` always `every`.
    """
    if source.slowest is None or brought:
        return source.every
    quiet = at - (standing.brought_at or standing.added_at)
    return min(max(source.every, quiet / PART), source.slowest)
