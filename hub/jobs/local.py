"""Wake-ups within one process."""

import asyncio

from hub.jobs import Work


class LocalWaker:
    def __init__(self) -> None:
        self._events = {work: asyncio.Event() for work in Work}

    async def wake(self, work: Work) -> None:
        self._events[work].set()

    async def wait(self, work: Work, seconds: float) -> None:
        event = self._events[work]
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return  # nobody called: the caller sweeps
        event.clear()

    async def close(self) -> None:
        return None
