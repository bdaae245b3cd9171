"""Wake-ups: work is due. The row in the database is the job; this only shortens the wait."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol


class Work(StrEnum):
    POLL = "poll"
    DELIVERY = "delivery"
    PUSH = "push"


class Waker(Protocol):
    async def wake(self, work: Work, rows: Sequence[str] = ()) -> None:
        """Say that work became due, to this process, and its `rows` to any. Waits for nobody."""

    async def wait(self, work: Work, seconds: float) -> None:
        """Wait until work of this kind is due, at most so long."""

    async def run(self) -> None:
        """Carry wake-ups to other processes, until cancelled."""

    async def listen(self) -> None:
        """Be woken by other processes, until cancelled."""
