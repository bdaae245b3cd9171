"""What the property tests share: stores on a loop of their own, and how they are explored."""

import asyncio
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager

from hypothesis import HealthCheck, Phase, settings

from hub.store import Store, open_store
from tests.running import migrated


@contextmanager
def opened(url: str, count: int) -> Generator[tuple[asyncio.Runner, list[Store]]]:
    """Open a migrated database so many times: hypothesis calls functions, not coroutines."""

    async def stores(stack: AsyncExitStack) -> list[Store]:
        await migrated(url)
        return [await stack.enter_async_context(open_store(url)) for _ in range(count)]

    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            yield runner, runner.run(stores(stack))
        finally:
            runner.run(stack.aclose())


def exploring(examples: int, *, shrink: bool = True) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, *([Phase.shrink] if shrink else [])],
    )
