"""Reading ahead: the next item is asked for while something else happens."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, TypeVar

Item = TypeVar("Item")


async def read_ahead(items: AsyncIterator[Item]) -> AsyncGenerator[Item]:
    """Give what `items` gives, one ahead; what that raises comes after what came before it.

    Whoever breaks off must close this, and then `items`: until then it is at work.
    """
    # A task group may not be held open across the yields of a generator: this one task is watched.
    following = asyncio.create_task(_next(items))  # noqa: TID251
    try:
        while True:
            try:
                item = await following
            except StopAsyncIteration:
                return
            following = asyncio.create_task(_next(items))  # noqa: TID251
            yield item
    finally:
        await end(following)


async def or_quiet(items: AsyncGenerator[Item], seconds: float) -> AsyncGenerator[Item | None]:
    """Give what `items` gives, and None after every so many seconds in which it gives nothing.

    Closes `items` when it is closed.
    """
    async with aclosing(items):
        following = asyncio.create_task(_next(items))  # noqa: TID251 - awaited below
        try:
            while True:
                done, _ = await asyncio.wait({following}, timeout=seconds)
                if not done:
                    yield None
                    continue
                try:
                    item = following.result()
                except StopAsyncIteration:
                    return
                following = asyncio.create_task(_next(items))  # noqa: TID251
                yield item
        finally:
            await end(following)


async def end(*tasks: "asyncio.Future[Any]") -> None:
    """Cancel tasks, and wait until each has ended: a generator at work cannot be closed.

    Where a request is given up, whoever waits here is cancelled at every turn of the loop: that is
    put off until it is done.
    """
    put_off: asyncio.CancelledError | None = None
    for task in tasks:
        task.cancel()
    while not all(task.done() for task in tasks):
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError as error:
            put_off = error
    for task in tasks:
        if not task.cancelled():
            task.exception()  # of what nobody asks for any more
    if put_off is not None:
        raise put_off


async def _next(items: AsyncIterator[Item]) -> Item:
    return await anext(items)
