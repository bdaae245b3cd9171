"""How often, and how much at once, one key may ask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import Code, Refused
from hub.graphql import admission
from hub.graphql.admission import MINUTE, SWEPT_AT, Admission
from hub.graphql.limits import Limits
from hub.signals import Viewer

ANNA, BO = Viewer(key_id="anna"), Viewer(key_id="bo")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(admission, "monotonic", clock)
    return clock


def refused(at: Admission, viewer: Viewer) -> int | None:
    """Ask, and give after how many seconds to ask again; None where it was admitted."""
    try:
        at.admit(viewer)
    except Refused as error:
        told = error
    else:
        return None
    assert told.code is Code.LIMIT_EXCEEDED
    assert (told.facts["of"], told.facts["limit"]) == ("requests", at.limits.requests)
    wait: int = told.facts["retryAfter"]
    return wait


def test_a_minutes_worth_at_once_then_as_they_come_by(clock: Clock) -> None:
    at = Admission(Limits(requests=6))  # one in ten seconds
    assert [refused(at, ANNA) for _ in range(7)] == [None] * 6 + [10]
    assert refused(at, BO) is None  # another key waits for nobody
    clock.now += 9
    assert refused(at, ANNA) == 1
    clock.now += 1
    assert [refused(at, ANNA) for _ in range(2)] == [None, 10]
    clock.now += MINUTE
    assert [refused(at, ANNA) for _ in range(7)] == [None] * 6 + [10]


@given(st.lists(st.floats(0, 30), min_size=1, max_size=60), st.integers(1, 20))
def test_never_more_than_the_rate_and_one_burst(pauses: list[float], requests: int) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(admission, "monotonic", clock)
        at = Admission(Limits(requests=requests))
        admitted = []
        for pause in pauses:
            clock.now += pause
            wait = refused(at, ANNA)
            if wait is None:
                admitted.append(clock.now)
            else:  # who waits as long as was said is admitted
                clock.now += wait
                assert refused(at, ANNA) is None
                admitted.append(clock.now)
    for first, began in enumerate(admitted):
        for last, ended in enumerate(admitted[first:], first):
            allowed = requests + (ended - began) * requests / MINUTE
            assert last - first + 1 <= allowed + 1e-3


def test_those_who_are_quiet_are_not_remembered(clock: Clock) -> None:
    at = Admission(Limits())
    for one in range(SWEPT_AT):
        at.admit(Viewer(key_id=str(one)))
    clock.now += MINUTE
    at.admit(ANNA)
    assert len(at._due) == 1


def test_a_place_is_given_back_whatever_happens() -> None:
    at = Admission(Limits(concurrent=2, streams=1))
    with at.running(ANNA), at.running(ANNA), at.running(BO), at.streaming(ANNA):
        for place, name in ((at.running, "concurrent"), (at.streaming, "streams")):
            with pytest.raises(Refused, match="This key has") as caught, place(ANNA):
                pass
            assert caught.value.facts["of"] == name
            assert caught.value.facts["retryAfter"] >= 1
    with pytest.raises(LookupError), at.running(ANNA), at.running(ANNA):
        raise LookupError
    with at.running(ANNA), at.running(ANNA), at.streaming(ANNA):
        pass
    assert not at._running
    assert not at._streams
