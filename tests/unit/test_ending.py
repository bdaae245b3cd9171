"""Tasks are ended whole, also where whoever ends them is cancelled again and again."""

import asyncio

import pytest

from hub.ahead import end


async def test_it_waits_however_often_it_is_cancelled() -> None:
    closed = False

    async def work() -> None:
        nonlocal closed
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
            closed = True

    working = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    ending = asyncio.ensure_future(end(working))
    for _ in range(4):
        await asyncio.sleep(0)
        ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert closed
