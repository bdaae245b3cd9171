"""One configuration in force, and how it comes into force."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import orjson
from pydantic import SecretStr

from hub.config import HUB_SOURCE, Config, SourceConfig
from hub.declared import EndpointConfig
from hub.ingest import Plan, Target
from hub.ingest.rescore import rescore
from hub.route import Router
from hub.store import Store
from hub.store.clock import clock
from hub.store.endpoints import declare_endpoints
from hub.store.snapshots import applied, apply
from hub.store.sources import declare, declare_hub, remove_others


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One configuration in force: swapped as a whole."""

    config: Config
    plan: Plan
    at: datetime


async def put_in_force(store: Store, config: Config) -> Snapshot:
    """Make the sources and endpoints of a configuration known, and judge anew if roles changed.

    A source keeps its cursor whatever changed in its configuration.
    """
    async with store.write() as connection:
        at = await clock(connection)
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
    plan = Plan(Router(config.roles), _targets(config, ids), config.keeps)
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
