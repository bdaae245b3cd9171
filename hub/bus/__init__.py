"""“Something new”: a hint that the log has grown. Losing one costs a moment, never a change."""

from typing import Protocol


class Bus(Protocol):
    @property
    def count(self) -> int:
        """How many hints have come so far: read it before the log, then wait past it."""

    async def tell(self) -> None:
        """Say that the log has grown; after the commit. Waits for nobody."""

    async def wait(self, seen: int, seconds: float) -> int:
        """Wait for a hint beyond `seen`, at most so long; give the count."""

    async def run(self) -> None:
        """Carry hints to and from other processes, until cancelled."""
