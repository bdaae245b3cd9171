"""THE ONE SWITCH: settings in, everything that a door or a worker is handed out."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hub.bus import Bus
from hub.bus.local import LocalBus
from hub.config import Config, load_config
from hub.errors import ConfigError
from hub.http import Clients
from hub.jobs import Waker
from hub.jobs.local import LocalWaker
from hub.poll import Poller
from hub.settings import Settings, environment
from hub.snapshot import Snapshot, put_in_force
from hub.store import Store, open_store
from hub.store.schema import require_current


@dataclass(slots=True)
class Runtime:
    """What every door and every worker is handed; nothing else is global."""

    settings: Settings
    store: Store
    bus: Bus
    waker: Waker
    clients: Clients
    poller: Poller
    snapshot: Snapshot

    @property
    def config(self) -> Config:
        return self.snapshot.config


@asynccontextmanager
async def open_runtime(settings: Settings, config: Config | None = None) -> AsyncGenerator[Runtime]:
    """Open the store and the engines that the settings name, and put hub.toml in force.

    Raises ConfigError, also for a database that is not migrated.
    """
    if settings.redis:
        raise ConfigError(
            "HUB_REDIS is set, but this version runs in one process",
            "Unset HUB_REDIS; many processes come with the next version",
        )
    config = config or load_config(settings.config, environment())
    async with (
        open_store(settings.database) as store,
        Clients(
            proxy=settings.proxy, ca_file=str(settings.ca_file) if settings.ca_file else None
        ) as clients,
    ):
        await require_current(store)
        bus, waker = LocalBus(), LocalWaker()
        try:
            yield Runtime(
                settings=settings,
                store=store,
                bus=bus,
                waker=waker,
                clients=clients,
                poller=Poller(store, clients, bus, waker),
                snapshot=await put_in_force(store, config),
            )
        finally:
            await waker.close()
            await bus.close()
