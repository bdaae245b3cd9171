"""A question to the database: asked once for all who wait, never cancelled, put anew in the end."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hub.errors import StoreUnavailable
from hub.web import watch
from hub.web.watch import Look


class Database:
    """Answers when it is told to; counts what it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.cancelled = 0
        self.answers = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.asked += 1
        mine = self.asked
        try:
            await self.answers.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return mine


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "WITHIN", 0.05)
    monkeypatch.setattr(watch, "KEEP", 0.1)
    monkeypatch.setattr(watch, "GIVEN_UP", 1000.0)


async def refused(look: Callable[[], Awaitable[int]]) -> bool:
    with pytest.raises(StoreUnavailable, match="not answered within"):
        await look()
    return True


async def test_many_who_ask_are_one_question_whose_answer_holds_a_moment() -> None:
    database = Database()
    look = Look(database)
    database.answers.set()
    assert await asyncio.gather(*(look() for _ in range(20))) == [1] * 20
    assert await look() == 1
    await asyncio.sleep(0.15)
    assert await look() == 2


async def test_who_asks_goes_and_the_question_stays() -> None:
    database = Database()
    look = Look(database)
    assert await refused(look)
    waits = asyncio.ensure_future(look())
    await asyncio.sleep(0)
    waits.cancel()
    await asyncio.wait({waits})
    assert (database.asked, database.cancelled) == (1, 0)
    database.answers.set()
    assert await look() == 1


async def test_a_question_without_an_answer_is_put_anew_but_not_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "GIVEN_UP", 0.0)
    database = Database()
    look = Look(database)
    for _ in range(8):
        assert await refused(look)
    assert database.asked == 1 + watch.MOST
    database.answers.set()
    assert await look() > watch.MOST
    assert database.cancelled == 0


async def test_an_error_is_everybodys_also_when_nobody_waits_any_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = Database()
    database.error = StoreUnavailable("it is away")
    look = Look(database)
    assert await refused(look)
    database.answers.set()
    await asyncio.sleep(0.01)
    with pytest.raises(StoreUnavailable, match="it is away"):
        await look()
    del look
    assert not caplog.records
