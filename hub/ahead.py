"""Reading ahead: the next item is asked for while something else happens."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TypeVar

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
        following.cancel()
        await asyncio.wait({following})
        if not following.cancelled():
            following.exception()  # of a page that nobody asks for any more


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
            following.cancel()
            await asyncio.wait({following})
            if not following.cancelled():
                following.exception()  # of an item that nobody asks for any more


async def _next(items: AsyncIterator[Item]) -> Item:
    return await anext(items)
