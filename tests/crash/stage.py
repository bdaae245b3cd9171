"""All that stands around a hub: what it reads, where it delivers, its folder, and the truth."""

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlmodel import col

from hub.signals import now
from hub.store import Store, open_store
from hub.store.deliveries import DeliveryState
from hub.store.sources import standings
from hub.store.tables import DeliveryRow, RevisionRow
from tests.crash.check import Kept, differences, kept
from tests.crash.processes import Home
from tests.crash.receiver import Receiver, receiving
from tests.crash.sources import Sources
from tests.crash.truth import CANARY, LISTENERS, Truth
from tests.servers import serve

QUIET_SECONDS = 90


@dataclass(slots=True)
class Stage:
    home: Home
    store: Store
    sources: Sources
    receivers: list[Receiver]
    truth: Truth
    stopped: datetime = field(default_factory=now)  # when the sources stopped writing

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[None]:
        """Let the sources write until the block ends."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.sources.write())
            try:
                yield
            finally:
                task.cancel()
                self.stopped = now()

    async def quiet(self) -> float | None:
        """Wait until all is read and sent; give the seconds, or None when it never is.

        Hundreds of kills leave a backlog, which grows while the sources are read to their end: it
        has as long as it needs while anything is stored or settled.
        """
        began = last = time.monotonic()
        done = -1
        while time.monotonic() - last < QUIET_SECONDS:
            if await self._left() == 0:
                return time.monotonic() - began
            if (now_done := await self._done()) > done:
                done, last = now_done, time.monotonic()
            await asyncio.sleep(0.2)
        return None

    async def _done(self) -> int:
        """Count the versions that are stored and the deliveries that are settled."""
        async with self.store.read() as connection:
            stored = await connection.scalar(select(func.count()).select_from(RevisionRow))
            settled = await connection.scalar(
                select(func.count()).where(col(DeliveryRow.state) != DeliveryState.PENDING)
            )
        return (stored or 0) + (settled or 0)

    async def _left(self) -> int:
        """Count what is still to be sent, and the sources that were not read to their end."""
        async with self.store.read() as connection:
            pending = await connection.scalar(
                select(func.count()).where(col(DeliveryRow.state) == DeliveryState.PENDING)
            )
            found = [one for one in await standings(connection) if one.next_poll_at is not None]
        return (pending or 0) + sum(
            one.last_attempt_at is None
            or one.last_success_at is None
            or not self.stopped < one.last_attempt_at < one.last_success_at
            for one in found
        )

    async def compare(self) -> tuple[Kept, list[str]]:
        """Give what the hub keeps, and all that is not as promised, once it has ended."""
        hub = await kept(self.store)
        log = self.home.log
        told = [f"the log says {word}" for word in (CANARY, "Traceback") if word in log]
        return hub, told + differences(self.truth, hub, self.receivers)


@asynccontextmanager
async def stage(
    database: str | None = None, *, seed: int = 1, folder: Path | None = None, redis: str = ""
) -> AsyncGenerator[Stage]:
    """Open sources and endpoints, and migrate; without a database, SQLite in the hub's folder."""
    truth = Truth()
    receivers = [
        Receiver(one, refuses=one.name == "desk", slow=one.name == "hasty") for one in LISTENERS
    ]
    sources = Sources(truth, seed)
    with tempfile.TemporaryDirectory(prefix="hub-crash-") as made:
        path = folder or Path(made)
        database = database or f"sqlite:///{path}/hub.db"
        home = Home(path, {"HUB_DATABASE": database, "HUB_REDIS": redis})
        async with (
            serve(sources.ledger.book.app) as ledger_url,
            serve(sources.desk.twin.app) as desk_url,
            receiving(*receivers) as endpoints,
        ):
            home.furnish(sources.tables(ledger_url, desk_url) + endpoints)
            await home.run("migrate")
            async with open_store(database) as store:
                yield Stage(home, store, sources, receivers, truth)
