import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from operator import add
from string import digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import RateLimited
from hub.http.limits import (
    LONGEST_WAIT,
    LocalBudget,
    Paced,
    pause_after,
    retry_after,
    used_up,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        # Retry-After in all its forms
        ({"Retry-After": "30"}, 30),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": format_datetime(NOW + timedelta(minutes=2), usegmt=True)}, 120),
        ({"Retry-After": format_datetime(NOW - timedelta(minutes=2), usegmt=True)}, 0),
        ({"Retry-After": "Tuesday, 24-Nov-26 12:01:00 GMT"}, 60),
        ({"Retry-After": "Tue Nov 24 12:01:00 2026"}, 60),
        # resets: seconds left, a point in seconds, in milliseconds, in ISO
        ({"ratelimit-limit": "960", "ratelimit-remaining": "0", "ratelimit-reset": "17"}, 17),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(EPOCH + 90)}, 90),
        ({"X-RateLimit-Reset": f"{EPOCH + 90}.25"}, 90.25),
        ({"X-RateLimit-Reset": str(EPOCH * 1000 + 90_000)}, 90),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2026-11-24T12:03:00.869Z"}, 180.869),
        ({"X-RateLimit-Reset": "2026-11-24T12:03Z"}, 180),
        ({"X-RateLimit-Reset": "2026-11-24T14:03:00+02:00"}, 180),
        ({"X-Sentry-Rate-Limit-Remaining": "0", "X-Sentry-Rate-Limit-Reset": str(EPOCH + 5)}, 5),
        ({"x-ratelimit-reset-after": "1.337", "x-ratelimit-remaining": "0"}, 1.337),
        # one header with fields
        ({"zendesk-ratelimit-incremental-exports": "total=10; remaining=0; resets=60"}, 60),
        ({"RateLimit": "limit=100, remaining=0, reset=50"}, 50),
        ({"RateLimit": '"default";r=0;t=40', "RateLimit-Policy": '"default";q=100;w=60'}, 40),
        # the length of the window in place of its end
        (
            {
                "x-hubspot-ratelimit-remaining": "0",
                "x-hubspot-ratelimit-interval-milliseconds": "10000",
                "x-hubspot-ratelimit-secondly-remaining": "3",
            },
            10,
        ),
        # Retry-After outranks a reset; a limit that is not used up does not count
        ({"Retry-After": "5", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "3000"}, 5),
        ({"x-ratelimit-remaining": "4000", "x-ratelimit-reset": "3000"}, None),
        ({"a-ratelimit": "remaining=0; resets=9", "b-ratelimit": "remaining=2; resets=99"}, 9),
        # the vendor's clock, not ours
        (
            {
                "Date": format_datetime(NOW + timedelta(minutes=10), usegmt=True),
                "X-RateLimit-Reset": str(EPOCH + 660),
            },
            60,
        ),
        # nothing said, or nonsense
        ({}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "1_000"}, None),
        ({"Retry-After": "soon", "ratelimit-reset": "7"}, 7),
        ({"x-rate-limit": "700", "RateLimit-Policy": "100;w=60"}, None),
        ({"sforce-limit-info": "api-usage=15000/15000"}, None),
        ({"x-daily-ratelimit-token-remaining": "0"}, None),
        # more than a day is a day
        ({"Retry-After": "999999999"}, 86400),
        ({"Retry-After": "99999999999999"}, 86400),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86400),
    ],
)
def test_how_long_a_vendor_asks_us_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    wait = retry_after(headers, now=NOW)
    if seconds is None:
        assert wait is None
    else:
        assert wait == pytest.approx(timedelta(seconds=seconds), abs=timedelta(milliseconds=1))


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Retry-After": "1"}, True),
        ({"x-ratelimit-remaining": "0"}, True),
        ({"sforce-limit-info": "api-usage=15001/15000"}, True),
        ({"zendesk-ratelimit-tickets-index": "total=100; remaining=0; resets=60"}, True),
        ({"x-ratelimit-remaining": "1"}, False),
        ({"sforce-limit-info": "api-usage=900/15000"}, False),
        ({"x-ratelimit-limit": "0", "content-type": "text/html"}, False),
        ({}, False),
    ],
)
def test_whether_a_limit_is_used_up(headers: dict[str, str], said: bool) -> None:
    assert used_up(headers) is said


names = st.sampled_from(
    ["Retry-After", "Date", "RateLimit", "x-ratelimit-reset", "x-ratelimit-remaining",
     "ratelimit-reset", "x-hubspot-ratelimit-interval-milliseconds", "sforce-limit-info"]
)  # fmt: skip
# The same texts as by regular expressions, which are slow to begin with under load.
FIELDS = ("", "limit=", "remaining=", "reset=", "api-usage=")
parts = st.text(digits, min_size=1, max_size=12).map(".{}".format)
values = st.one_of(
    st.text(max_size=40),
    st.builds(add, st.text(digits, min_size=1, max_size=20), st.just("") | parts),
    st.datetimes().map(datetime.isoformat),
    st.builds(add, st.sampled_from(FIELDS), st.text(f"{digits}/", min_size=1, max_size=30)),
)


@given(st.dictionaries(names, values))
def test_whatever_the_headers_hold_the_wait_is_sane(headers: dict[str, str]) -> None:
    wait = retry_after(headers, now=NOW)
    assert wait is None or timedelta() <= wait <= LONGEST_WAIT
    assert used_up(headers) in {True, False}


async def test_no_window_ever_holds_more_calls_than_the_budget() -> None:
    period, calls = 0.2, 5
    budget = LocalBudget(calls, timedelta(seconds=period))
    clock = asyncio.get_running_loop().time
    taken: list[float] = []

    async def caller() -> None:
        for _ in range(3):
            await budget.take()
            taken.append(clock())

    await asyncio.gather(*[caller() for _ in range(6)])
    assert len(taken) == 18
    taken.sort()
    for first, sixth in zip(taken, taken[calls:], strict=False):
        assert sixth - first >= period - 0.005
    # ... and it does not dawdle: the last call begins the fourth window
    assert taken[-1] - taken[0] < 4 * period


async def test_a_caller_that_gives_up_takes_nothing() -> None:
    budget = LocalBudget(1, timedelta(seconds=0.3))
    clock = asyncio.get_running_loop().time
    await budget.take()
    began = clock()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(budget.take(), 0.05)
    await budget.take()
    assert 0.2 < clock() - began < 0.5


async def test_calls_are_apart_and_keep_to_the_other_budget_too() -> None:
    clock = asyncio.get_running_loop().time
    paced = Paced(timedelta(seconds=0.05), LocalBudget(3, timedelta(seconds=0.4)))
    taken: list[float] = []

    async def caller() -> None:
        await paced.take()
        taken.append(clock())

    await asyncio.gather(*[caller() for _ in range(4)])
    taken.sort()
    for first, second in pairwise(taken):
        assert second - first >= 0.045
    assert taken[3] - taken[0] >= 0.39


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        # used up, and told when it ends
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "20"}, 20),
        ({"RateLimit": "limit=100, remaining=0, reset=50"}, 50),
        ({"zendesk-ratelimit-incremental-exports": "total=10; remaining=0; resets=60"}, 60),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(EPOCH + 90)}, 90),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2026-11-24T12:03:00Z"}, 180),
        # of a day's quota the last tenth is left to others
        ({"sforce-limit-info": "api-usage=13500/15000"}, None),
        ({"sforce-limit-info": "api-usage=13501/15000"}, 900),
        ({"sforce-limit-info": "api-usage=13501/15000; per-app-api-usage=17/250(appName=x)"}, 900),
        ({"sforce-limit-info": "per-app-api-usage=249/250(appName=x)"}, None),
        ({"x-daily-ratelimit-token-limit": "150000", "x-daily-ratelimit-token-remaining": "15000"},
         None),
        ({"x-daily-ratelimit-token-limit": "150000", "x-daily-ratelimit-token-remaining": "14999"},
         900),
        ({"x-hubspot-ratelimit-daily": "250000", "x-hubspot-ratelimit-daily-remaining": "0"}, 900),
        # nothing to wait for
        ({"x-ratelimit-remaining": "1", "x-ratelimit-reset": "20"}, None),
        ({"x-ratelimit-remaining": "0"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0"}, None),
        ({"x-ratelimit-reset": "20"}, None),
        ({"Retry-After": "30"}, None),  # with a good answer it means something else
        ({"x-daily-ratelimit-token-remaining": "5"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_when_a_good_answer_says_that_no_more_are_allowed(
    headers: dict[str, str], seconds: float | None
) -> None:
    wanted = None if seconds is None else timedelta(seconds=seconds)
    assert pause_after(headers, now=NOW) == wanted


@given(st.dictionaries(names, values))
def test_whatever_good_answers_hold_the_pause_is_sane(headers: dict[str, str]) -> None:
    wait = pause_after(headers, now=NOW)
    assert wait is None or timedelta() < wait <= LONGEST_WAIT


async def test_a_pause_is_waited_for_or_refused() -> None:
    budget = LocalBudget(None)
    clock = asyncio.get_running_loop().time
    began = clock()
    await budget.pause(timedelta(seconds=0.2))
    await budget.pause(timedelta(seconds=0.1))
    await asyncio.gather(budget.take(), budget.take())
    assert 0.2 <= clock() - began < 2
    await budget.pause(timedelta(minutes=2))
    with pytest.raises(RateLimited, match="its limit is reached, for 120 s more") as caught:
        await budget.take()
    assert caught.value.retry_after == pytest.approx(timedelta(minutes=2), abs=timedelta(seconds=1))


async def test_the_busy_and_the_small_take_turns() -> None:
    """A first sync that calls without end does not keep another source of its account waiting."""
    budget = LocalBudget(10, timedelta(seconds=0.2))
    clock = asyncio.get_running_loop().time
    ends = clock() + 1.5
    calls = {"busy": 0, "small": 0}

    async def source(name: str) -> None:
        while clock() < ends:
            await budget.take()
            calls[name] += 1
            await asyncio.sleep(0)  # as a call does

    await asyncio.gather(source("busy"), source("busy"), source("small"))
    assert calls["small"] >= calls["busy"] / 2 - 2, calls


def test_a_budget_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        LocalBudget(0)
