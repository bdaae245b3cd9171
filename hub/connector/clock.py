"""The time, for connectors: the one clock that certification can move."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

_ahead = timedelta(0)


def now() -> datetime:
    """Tell the time in UTC."""
    return datetime.now(UTC) + _ahead


@contextmanager
def moved(by: timedelta) -> Generator[None]:
    """Let the clock of this process go ahead by so much, for as long as the block lasts."""
    global _ahead  # noqa: PLW0603 - one clock, also for the server that answers from another task
    before, _ahead = _ahead, _ahead + by
    try:
        yield
    finally:
        _ahead = before
