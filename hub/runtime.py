"""THE ONE SWITCH: settings in, everything that a door or a worker is handed out."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from hub.bus import Bus
from hub.bus.local import LocalBus
from hub.config import Config
from hub.errors import ConfigError
from hub.health import Health
from hub.http import Clients
from hub.ingest import announce
from hub.jobs import Waker
from hub.jobs.local import LocalWaker
from hub.poll import Poller
from hub.push import Inbox
from hub.renewal import Accept, begin
from hub.settings import Settings, environment, secret_keys
from hub.snapshot import Snapshot, put_in_force
from hub.store import Store, database_url, open_store
from hub.store.budgets import SharedBudget
from hub.store.schema import require_current
from hub.store.seal import Seal
from hub.store.tokens import StoredTokens


@dataclass(slots=True)
class Runtime:
    """What every door and every worker is handed; nothing else is global."""

    settings: Settings
    store: Store
    bus: Bus
    waker: Waker
    clients: Clients
    poller: Poller
    inbox: Inbox
    snapshot: Snapshot
    health: Health

    @property
    def config(self) -> Config:
        return self.snapshot.config


@asynccontextmanager
async def open_runtime(
    settings: Settings,
    config: Config | None = None,
    *,
    by: str = "hub",
    accept: Accept = lambda _: None,
) -> AsyncGenerator[Runtime]:
    """Open the store and the engines that the settings name, and put hub.toml in force.

    `config` is a program's own, in place of hub.toml. `by` and `accept`: who puts it in force,
    and what else it must pass. Raises ConfigError, also for a database that is not migrated.
    """
    bus, waker = _engines(settings)
    async with (
        open_store(settings.database) as store,
        _clients(settings, store) as clients,
    ):
        await require_current(store)

        def accept_all(config: Config) -> None:
            for name in config.polled:
                clients.check(config.sources[name].connector.endpoint(), name)
            accept(config)

        if config is None:
            applied = await begin(store, settings.config, environment(), by, accept_all)
        else:
            accept_all(config)
            applied = await put_in_force(store, config)
        runtime = Runtime(
            settings=settings,
            store=store,
            bus=bus,
            waker=waker,
            clients=clients,
            poller=Poller(store, clients, bus, waker),
            inbox=Inbox(store, bus, waker),
            snapshot=applied.snapshot,
            health=Health(store),
        )
        async with beside(bus.run(), waker.run()):
            if applied.told is not None:
                await announce(applied.told, bus, waker)
            yield runtime


def _clients(settings: Settings, store: Store) -> Clients:
    """Open what asks the sources. Tokens are kept where there is a key to seal them with."""
    key = settings.secret_key
    return Clients(
        proxy=settings.proxy,
        ca_file=str(settings.ca_file) if settings.ca_file else None,
        budgets=partial(SharedBudget, store),
        tokens=StoredTokens(store, Seal(secret_keys(settings))) if key is not None else None,
    )


def _engines(settings: Settings) -> tuple[Bus, Waker]:
    """Choose between one process and many. Raises ConfigError."""
    if settings.redis is None:
        return LocalBus(), LocalWaker()
    if database_url(settings.database).get_backend_name() == "sqlite":
        raise ConfigError(
            "HUB_REDIS is for many processes, and they need PostgreSQL",
            "Set HUB_DATABASE=postgresql://user:password@host/name, or unset HUB_REDIS",
        )
    try:
        from hub.bus.redis import RedisBus  # noqa: PLC0415 - only who has Redis needs its client
        from hub.jobs.arq import ArqWaker  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"HUB_REDIS is set, but {error.name} is not installed",
            "Install the extra: pip install 'team-signals-hub[scaled]'",
        ) from None
    url = settings.redis.get_secret_value()
    return RedisBus(url), ArqWaker(url)


@asynccontextmanager
async def beside(
    *loops: Coroutine[Any, Any, None],
) -> AsyncGenerator[list[asyncio.Task[None]]]:
    """Run loops beside the block and end them with it; what the block raises comes out as it is."""
    failed: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(loop) for loop in loops]
            try:
                yield running
            except BaseException as error:
                failed = error
                raise
            finally:
                for task in running:
                    if not task.cancelling():  # one that ends already is left to it
                        task.cancel()
    except BaseExceptionGroup as group:
        if failed is not None and group.exceptions == (failed,):
            raise failed from None
        raise
