"""When a source is asked again, whatever it answered."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hub.config import SourceConfig, read_config
from hub.errors import AuthFailed, ConfigError, RateLimited, SourceUnavailable
from hub.poll import LONGEST_WAIT, Report, after_poll
from hub.snapshot import fingerprint
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


def paced(quiet: timedelta | None, slowest: timedelta | None, report: Report) -> timedelta:
    """Tell how long until a source is asked again that was quiet for so long."""
    brought_at = None if quiet is None else T0 - quiet
    known = replace(standing(), added_at=T0 - timedelta(hours=2), brought_at=brought_at)
    asked = replace(source(), slowest=slowest)
    due: datetime = after_poll(asked, known, report, T0)["next_poll_at"]
    return due - T0


@pytest.mark.parametrize(
    ("quiet", "minutes"),
    [
        (timedelta(0), 1),
        (timedelta(minutes=9), 1),
        (timedelta(minutes=20), 2),
        (timedelta(hours=1), 6),
        (timedelta(hours=10), 30),
        (timedelta(days=400), 30),
        (None, 12),  # it never brought anything, and is known for two hours
    ],
)
def test_a_quiet_source_is_asked_less_often(
    quiet: timedelta | None, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.poll._spread", lambda wait: wait)
    slowest = timedelta(minutes=30)
    assert paced(quiet, slowest, Report()) == timedelta(minutes=minutes)
    assert paced(quiet, slowest, Report(seen_before=3)) == timedelta(minutes=minutes)
    # Without a `slowest` nothing is ever slower than `every` says.
    assert paced(quiet, None, Report()) == timedelta(minutes=1)
    for news in (Report(signals=1), Report(quarantined=1)):
        assert paced(quiet, slowest, news) == timedelta(minutes=1)
    assert paced(quiet, slowest, Report(more=True)) == timedelta(0)


def test_only_news_move_the_time_of_the_last_news() -> None:
    for report, told in (
        (Report(signals=1), True),
        (Report(quarantined=2), True),
        (Report(seen_before=5, pages=1), False),
        (Report(error=SourceUnavailable("down")), False),
    ):
        assert ("brought_at" in after_poll(source(), standing(), report, T0)) is told


TABLE = '[sources.a]\nconnector = "{}"\nurl = "https://a.example"\n'


@pytest.mark.parametrize(
    ("more", "every", "slowest"),
    [
        ("", 300, 3600),
        ('every = "1m"', 60, None),
        ('slowest = "2h"', 300, 7200),
        ('every = "1m"\nslowest = "5m"', 60, 300),
        ('every = "1h"', 3600, None),
    ],
)
def test_what_is_said_of_how_often_is_meant(more: str, every: int, slowest: int | None) -> None:
    """A feed has a slowest of its own; who says `every` is taken at their word."""
    found = read_config(TABLE.format("rss") + more, {}).sources["a"]
    assert found.every == timedelta(seconds=every)
    assert found.slowest == (None if slowest is None else timedelta(seconds=slowest))


def test_a_slowest_below_every_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"sources\.a\.slowest"):
        read_config(TABLE.format("rss") + 'every = "1h"\nslowest = "1m"', {})


def test_a_source_without_a_slowest_has_the_fingerprint_of_before() -> None:
    plain, slow = source(), replace(source(), slowest=timedelta(hours=1))
    assert fingerprint(plain) != fingerprint(slow)
    assert fingerprint(plain) == fingerprint(replace(plain, slowest=None))


def test_a_locked_door_stops_the_polls() -> None:
    outcome = after_poll(source(), standing(), Report(error=AuthFailed("401")), T0)
    assert (outcome["state"], outcome["next_poll_at"]) == (State.AUTH_FAILED, None)


def test_a_cut_off_poll_goes_on_at_once() -> None:
    assert wait(Report(more=True), timedelta(hours=1)) == timedelta(0)
