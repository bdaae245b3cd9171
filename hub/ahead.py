"""Reading ahead: the next page is asked for while this one is stored."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
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


async def _next(items: AsyncIterator[Item]) -> Item:
    return await anext(items)
