"""How long a claimed row is held, and how a worker that lives goes on holding it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from hub.errors import StoreUnavailable
from hub.store import Connection, Store
from hub.store.clock import clock

# What a dead worker held is taken over after a lease and a sweep (hub/work.py): within 30 s.
LEASE = timedelta(seconds=20)
HEARTBEAT = 5.0  # seconds: three in a row may fail

logger = logging.getLogger(__name__)

Token = TypeVar("Token")
Prolong = Callable[[Connection, Mapping[str, Token], datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Held(Generic[Token]):
    """The rows of one kind that this process works on, each with the token of its claim."""

    prolong: Prolong[Token]
    rows: dict[str, Token] = field(default_factory=dict)

    @contextmanager
    def hold(self, row: str, token: Token) -> Generator[None]:
        """Keep a claimed row while the block runs; `beat` does it."""
        self.rows[row] = token
        try:
            yield
        finally:
            # Of two claims, after the first was lost, the later is the one to keep.
            if self.rows.get(row) == token:
                del self.rows[row]

    async def beat(self, store: Store) -> None:
        """Prolong the leases of what is held, until cancelled."""
        while True:
            await asyncio.sleep(HEARTBEAT)
            if self.rows:
                try:
                    async with store.write() as connection:
                        until = await clock(connection) + LEASE
                        await self.prolong(connection, self.rows, until)
                except StoreUnavailable as error:
                    logger.warning("leases could not be prolonged", extra={"error": str(error)})
                except Exception:
                    logger.exception("leases could not be prolonged")
