"""THE ONE SWITCH: settings in, everything that a door or a worker is handed out."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import orjson
from pydantic import SecretStr

from hub.bus import Bus
from hub.bus.local import LocalBus
from hub.config import HUB_SOURCE, Config, SourceConfig, load_config
from hub.declared import EndpointConfig
from hub.errors import ConfigError
from hub.http import Clients
from hub.ingest import Plan, Target
from hub.ingest.rescore import rescore
from hub.jobs import Waker
from hub.jobs.local import LocalWaker
from hub.poll import Poller
from hub.route import Router
from hub.settings import Settings, environment
from hub.signals import now
from hub.store import Store, open_store
from hub.store.deliveries import declare_endpoints
from hub.store.schema import require_current
from hub.store.snapshots import applied, apply
from hub.store.sources import declare, declare_hub, remove_others


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One configuration in force: swapped as a whole."""

    config: Config
    plan: Plan
    at: datetime


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


async def put_in_force(store: Store, config: Config) -> Snapshot:
    """Make the sources and endpoints of a configuration known, and judge anew if roles changed.

    A source keeps its cursor whatever changed in its configuration.
    """
    at = now()
    async with store.write() as connection:
        await declare_hub(connection, HUB_SOURCE, at)
        for source in config.sources.values():
            await declare(
                connection, source.name, source.kind, fingerprint(source), source.notify_after, at
            )
        await remove_others(connection, [*config.sources, HUB_SOURCE])
        ids = await declare_endpoints(
            connection,
            {one.name: (one.role, _fingerprint(one)) for one in config.endpoints.values()},
            at,
        )
    plan = Plan(Router(config.roles), _targets(config, ids))
    roles = _digest([role.model_dump() for role in config.roles.values()])
    async with store.read() as connection:
        before = await applied(connection, "roles")
    if before is not None and before != roles:
        await rescore(store, plan.router)
    async with store.write() as connection:
        await apply(connection, "roles", roles, at)
    return Snapshot(config, plan, at)


def fingerprint(source: SourceConfig) -> str:
    """Tell two configurations of a source apart without keeping its secrets."""
    return _digest([source.kind, source.connector.model_dump()])


def _fingerprint(endpoint: EndpointConfig) -> str:
    return _digest([str(endpoint.url), endpoint.secret])


def _digest(settings: object) -> str:
    """Digest settings so that another process gives the same: the order of a set is its own."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
    return sha256(orjson.dumps(settings, default=_written, option=options)).hexdigest()


def _written(value: object) -> object:
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    return value.get_secret_value() if isinstance(value, SecretStr) else repr(value)


def _targets(config: Config, ids: dict[str, str]) -> dict[str, list[Target]]:
    targets: dict[str, list[Target]] = {}
    for one in config.endpoints.values():
        least = _least(one, config)
        targets.setdefault(one.role, []).append(Target(ids[one.name], one.kinds, least))
    return targets


def _least(endpoint: EndpointConfig, config: Config) -> float:
    if endpoint.min_score is not None:
        return endpoint.min_score
    return config.roles[endpoint.role].threshold
