"""When a source is asked again, whatever it answered."""

from datetime import UTC, datetime, timedelta

import pytest

from hub.config import SourceConfig
from hub.errors import AuthFailed, RateLimited, SourceUnavailable
from hub.poll import LONGEST_WAIT, Report, after_poll
from hub.store.sources import Standing, State
from tests.ledger import Ledger

T0 = datetime(2026, 11, 2, tzinfo=UTC)


def source(every: timedelta = timedelta(minutes=1)) -> SourceConfig:
    return SourceConfig("ledger", "ledger", Ledger(url="http://x"), every)


def standing(failures: int = 0) -> Standing:
    return Standing(
        name="ledger",
        connector="ledger",
        state=State.OK,
        cursor={},
        added_at=T0,
        notify_after=T0,
        next_poll_at=T0,
        lease="l",
        lease_until=T0,
        problem=None,
        failures=failures,
        last_attempt_at=T0,
        last_success_at=T0,
        last_error=None,
        last_error_at=None,
    )


def wait(report: Report, every: timedelta, failures: int = 0) -> timedelta:
    due = after_poll(source(every), standing(failures), report, T0)["next_poll_at"]
    assert isinstance(due, datetime)
    return due - T0


@pytest.mark.parametrize("every", [timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)])
def test_back_off_grows_to_a_limit_and_is_never_shorter_than_the_interval(every: timedelta) -> None:
    report = Report(error=SourceUnavailable("down"))
    waits = [wait(report, every, failures) for failures in range(60)]
    assert all(every * 0.9 <= one <= max(LONGEST_WAIT, every) * 1.1 for one in waits)
    assert waits[-1] >= max(LONGEST_WAIT, every) * 0.9


@pytest.mark.parametrize("seconds", [0, -5, None])
def test_a_rate_limit_without_a_wait_is_no_hot_loop(seconds: int | None) -> None:
    after = None if seconds is None else timedelta(seconds=seconds)
    report = Report(error=RateLimited("429", after))
    assert wait(report, timedelta(seconds=10), 3) >= timedelta(seconds=9)


def test_a_rate_limit_is_obeyed() -> None:
    report = Report(error=RateLimited("429", timedelta(hours=2)))
    assert wait(report, timedelta(seconds=10)) == timedelta(hours=2)


def test_a_locked_door_stops_the_polls() -> None:
    outcome = after_poll(source(), standing(), Report(error=AuthFailed("401")), T0)
    assert (outcome["state"], outcome["next_poll_at"]) == (State.AUTH_FAILED, None)


def test_a_cut_off_poll_goes_on_at_once() -> None:
    assert wait(Report(more=True), timedelta(hours=1)) == timedelta(0)
