"""Wake-ups: work is due. The row in the database is the job; this only shortens the wait."""

from enum import StrEnum
from typing import Protocol


class Work(StrEnum):
    POLL = "poll"
    DELIVERY = "delivery"


class Waker(Protocol):
    async def wake(self, work: Work) -> None:
        """Say that work of this kind became due."""

    async def wait(self, work: Work, seconds: float) -> None:
        """Wait until work of this kind is due, at most so long."""

    async def close(self) -> None: ...
