"""What all checks of a certification share: the hub's engines, and servers on loopback."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from hub.bus.local import LocalBus
from hub.config import read_config
from hub.http import Clients
from hub.ingest import Plan
from hub.jobs.local import LocalWaker
from hub.poll import Poller
from hub.snapshot import plan_of
from hub.store import Store, open_store
from hub.store.migrate import migrate
from hub.testing.front import Front
from hub.web.server import address, listen, serving


@dataclass(slots=True)
class House:
    """`front` stands before the twin, `decoy` is another host where nobody may ask."""

    store: Store
    clients: Clients
    poller: Poller
    plan: Plan
    front: Front
    url: str
    decoy: Front
    decoy_url: str
    numbers: Iterator[int] = field(default_factory=count)  # of the sources there were


@asynccontextmanager
async def opened() -> AsyncGenerator[House]:
    """Start a hub in a folder of its own that goes away at the end."""
    front, decoy = Front(), Front()
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="hub-certify-"))
        store = await stack.enter_async_context(open_store(f"sqlite:///{Path(folder)}/hub.db"))
        await migrate(store)
        clients = await stack.enter_async_context(Clients())
        here, there = (listen("127.0.0.1", 0, "Try again") for _ in range(2))
        await stack.enter_async_context(serving({here: front, there: decoy}))
        poller = Poller(store, clients, LocalBus(), LocalWaker())
        # However old a recording is, it is read.
        plan = replace(plan_of(read_config("", {}), {}), keeps=None)
        yield House(store, clients, poller, plan, front, address(here), decoy, address(there))
