"""Time as this process lives it: while it is held up, none passes."""

import asyncio
import time
from dataclasses import dataclass

TICK = 0.05  # seconds


@dataclass(slots=True)
class Clock:
    """What is promised within seconds is not broken by a machine that gives us none.

    What came while the process stood still was sent before, and is heard of late.
    """

    now: float = 0.0

    async def run(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(TICK)
            at = time.monotonic()
            self.now += min(at - last, 2 * TICK)
            last = at

    async def reaches(self, moment: float) -> None:
        while self.now < moment:  # noqa: ASYNC110 - this is what a clock does
            await asyncio.sleep(TICK)
