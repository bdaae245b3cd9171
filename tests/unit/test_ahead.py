"""Reading ahead: one item early, errors in their place, nothing left at work."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from hub.ahead import read_ahead


class Pages:
    """Gives three numbers, then ends or fails; notes what was asked for and that it was closed."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked = 0
        self.closed = False
        self.held = asyncio.Event()
        self.held.set()

    async def pull(self) -> AsyncGenerator[int]:
        try:
            for number in range(3):
                self.asked += 1
                await self.held.wait()
                yield number
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True


async def test_the_next_page_is_under_way_while_this_one_is_worked_on() -> None:
    pages = Pages()
    seen: list[tuple[int, int]] = []
    async with aclosing(pages.pull()) as pulled, aclosing(read_ahead(pulled)) as ahead:
        async for number in ahead:
            await asyncio.sleep(0)
            seen.append((number, pages.asked))
    assert seen == [(0, 2), (1, 3), (2, 3)]
    assert pages.closed


async def test_an_error_comes_after_the_pages_before_it() -> None:
    pages = Pages(ValueError("the fourth page"))
    seen: list[int] = []

    async def read() -> None:
        async with aclosing(pages.pull()) as pulled, aclosing(read_ahead(pulled)) as ahead:
            async for number in ahead:
                seen.append(number)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(ValueError, match="the fourth page"):
        await read()
    assert seen == [0, 1, 2]
    assert pages.closed


@pytest.mark.parametrize("hold", [True, False])
async def test_who_breaks_off_leaves_nothing_at_work(hold: bool) -> None:
    pages = Pages(ValueError("nobody hears of it"))
    async with aclosing(pages.pull()) as pulled, aclosing(read_ahead(pulled)) as ahead:
        async for number in ahead:
            if hold:
                pages.held.clear()
            await asyncio.sleep(0)
            if number == (0 if hold else 2):
                break
    assert pages.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_poll_that_is_cancelled_cancels_what_is_under_way() -> None:
    pages = Pages()

    async def poll() -> None:
        async with aclosing(pages.pull()) as pulled, aclosing(read_ahead(pulled)) as ahead:
            async for _ in ahead:
                pages.held.clear()

    task = asyncio.create_task(poll())
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pages.closed
