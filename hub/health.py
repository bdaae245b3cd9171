"""How the sources are, looked at once for all who follow it, and only while somebody does."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Final

from hub.errors import StoreUnavailable
from hub.store import Store
from hub.store.sources import Standing, standings

LOOK: Final = 1.0  # seconds from one look at the sources to the next

logger = logging.getLogger(__name__)


class Health:
    """One reader of the sources' rows per process: who polls them may be another process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._followers = 0
        self._wanted = asyncio.Event()
        self._changed = asyncio.Event()
        self._now: Mapping[str, Standing] = {}

    async def run(self) -> None:
        """Look while somebody follows, until cancelled."""
        while True:
            await self._wanted.wait()
            await asyncio.sleep(LOOK)
            try:
                await self._look()
            except StoreUnavailable as error:
                logger.warning("the sources' health waits", extra={"error": str(error)})
            except Exception:
                logger.exception("the sources could not be looked at; it is tried again")

    async def follow(self) -> AsyncGenerator[Mapping[str, Standing]]:
        """Give how every source is by its name: now, and whenever something about one changed.

        Who is slow is given what is so by then: what was so in between is left out.
        """
        self._followers += 1
        self._wanted.set()
        try:
            await self._look()
            while True:
                changed = self._changed
                yield self._now
                await changed.wait()
        finally:
            self._followers -= 1
            if not self._followers:
                self._wanted.clear()

    async def _look(self) -> None:
        async with self._store.read() as connection:
            found = {one.name: one for one in await standings(connection)}
        if found != self._now:
            self._now = found
            self._changed.set()
            self._changed = asyncio.Event()
