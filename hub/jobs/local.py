"""Wake-ups within one process."""

import asyncio
from collections.abc import Sequence

from hub.jobs import Work


class LocalWaker:
    def __init__(self) -> None:
        self._events = {work: asyncio.Event() for work in Work}

    async def wake(self, work: Work, rows: Sequence[str] = ()) -> None:
        del rows  # whoever looks finds them
        self._events[work].set()

    async def wait(self, work: Work, seconds: float) -> None:
        event = self._events[work]
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return  # nobody called: the caller sweeps
        event.clear()

    async def run(self) -> None:
        return None  # there are no other processes

    async def listen(self) -> None:
        return None
