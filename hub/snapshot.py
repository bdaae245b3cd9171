"""One configuration in force, and how it comes into force."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hub.config import HUB_SOURCE, Config, SourceConfig
from hub.connector import Draft, Page
from hub.declared import EndpointConfig
from hub.difference import Difference, difference, parts
from hub.digest import digest_of
from hub.errors import StoreUnavailable
from hub.ingest import Ingested, Plan, Reading, Target, ingest_within
from hub.ingest.rescore import rescore
from hub.kinds import Severity
from hub.route import Router
from hub.signals import Origin, new_id
from hub.store import Connection, Store, log
from hub.store.audit import Act, Actor, Via, record
from hub.store.clock import clock
from hub.store.declarations import DeclaredSource, declare_hub, declare_sources
from hub.store.endpoints import DeclaredEndpoint, declare_endpoints, endpoint_ids
from hub.store.snapshots import Stored, applied, applied_since, apply, keep, newest
from hub.store.turns import take_turn

APPLIED = "hub.config.applied"  # the kind of the log's line about it
DEAD = timedelta(seconds=30)  # without a batch of signals: whoever judged them is no more


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One configuration in force: swapped as a whole. `seq`: the line of the log that it is at."""

    config: Config
    plan: Plan
    seq: int


@dataclass(frozen=True, slots=True)
class Applied:
    """What was put in force. `told` is its line in the log, to be announced.

    `kept`: the sources that are faulty and go on as they were.
    """

    snapshot: Snapshot
    difference: Difference
    kept: frozenset[str]
    told: Ingested | None


async def put_in_force(
    store: Store, config: Config, *, by: str = "", tell: bool = False
) -> Applied:
    """Make the sources and endpoints of a configuration known, and judge anew if roles changed.

    A source keeps its cursor whatever changed in its configuration. What was read from a file is
    stored, unless it is what is stored already, and has a line in the log.
    """
    async with store.write() as connection:
        # In the order of every writer, `ingest` too: turn, number, rows. So nobody waits in a ring.
        await take_turn(connection, HUB_SOURCE)
        seq = await log.hold(connection)
        at = await clock(connection)
        before = await newest(connection)
        tables = _merged(config, before)
        kept = tables.get("sources", {}).keys() & config.problems.keys()
        sources, endpoints = await _declare(connection, config, tables, at)
        is_to_judge = await _begin_judging(connection, config, at)
        plan = plan_of(config, await endpoint_ids(connection))
        changed = difference(
            before.tables if before else {}, tables, sources=sources, endpoints=endpoints
        )
        told = None
        if config.tables is not None:
            problems = {name: str(problem) for name, problem in config.problems.items()}
            digest = digest_of([tables, problems])
            is_new = before is None or before.digest != digest
            if tell or is_new or changed:
                draft = _told(changed, problems, kept, by, at)
                reading = Reading(HUB_SOURCE, origin=Origin.DERIVED)
                told = await ingest_within(connection, reading, Page([draft], {}), plan, at)
                assert told.seq is not None, "a new record is a change"
                seq = told.seq
                was, now = parts(before.tables if before else {}, tables, changed)
                await record(
                    connection,
                    Actor(by, Via.FILE),
                    Act.CONFIGURATION_APPLIED,
                    f"configuration:{seq}",
                    before=was,
                    after={**now, "problems": problems} if problems else now,
                )
            if is_new:
                await keep(connection, seq, digest, by, at, tables, problems)
    try:
        if is_to_judge:
            await judge_anew(store, config, plan)
    except StoreUnavailable as error:
        raise StoreUnavailable(
            f"the configuration is in force, but not all is judged by its roles: {error.message}",
            "Run: hub reload",
        ) from error
    return Applied(Snapshot(judged(config), plan, seq), changed, frozenset(kept), told)


def judged(config: Config) -> Config:
    """Say of a configuration that all that is stored is judged by its roles."""
    return replace(config, judged={name: role.digest for name, role in config.roles.items()})


def being_judged(config: Config, by: Mapping[str, str]) -> Config:
    """Say of a configuration that nobody knows how what is stored is judged for its new roles.

    `by`: the form of each role by which it was judged before.
    """
    return replace(
        config,
        judged={
            name: role.digest if by.get(name) == role.digest else ""
            for name, role in config.roles.items()
        },
    )


async def is_judged(store: Store, config: Config) -> bool | None:
    """Tell whether what was stored before a configuration is judged by its roles.

    None: it is not, and whoever was at it has died.
    """
    async with store.read() as connection:
        standing = await applied(connection, "roles")
        if standing != _doing(config):
            return standing == roles_digest(config)
        since = await applied_since(connection, "roles")
        is_dead = since is not None and await clock(connection) - since > DEAD
    return None if is_dead else False


def _merged(config: Config, before: Stored | None) -> Mapping[str, Any]:
    """Give the tables of a configuration; of a faulty source those that it keeps."""
    if config.tables is None or not config.problems:
        return config.tables or {}
    old = before.tables.get("sources", {}) if before else {}
    given = config.tables["sources"]
    kept = {
        name: old[name] if name in config.problems else given[name]
        for name in given
        if name not in config.problems or name in old
    }
    return {**config.tables, "sources": kept}


async def _declare(
    connection: Connection, config: Config, tables: Mapping[str, Any], at: datetime
) -> tuple[set[str], set[str]]:
    """Declare sources and endpoints; name those whose settings or secrets changed."""
    problems = {name: str(problem) for name, problem in config.problems.items()}
    kept = tables.get("sources", {}).keys() & problems.keys() - config.sources.keys()
    await declare_hub(connection, HUB_SOURCE, at)
    sources = await declare_sources(
        connection,
        [
            DeclaredSource(
                one.name,
                one.kind,
                fingerprint(one),
                one.notify_after,
                problems.get(one.name),
                polled=one.polled,
            )
            for one in config.sources.values()
        ],
        at,
        kept={name: problems[name] for name in kept},
        own=HUB_SOURCE,
    )
    endpoints = await declare_endpoints(
        connection,
        [
            DeclaredEndpoint(one.name, one.role, _fingerprint(one))
            for one in config.endpoints.values()
        ],
        at,
    )
    return sources, endpoints


def _told(
    changed: Difference, problems: Mapping[str, str], kept: AbstractSet[str], by: str, at: datetime
) -> Draft:
    """Make the signal about a configuration that was put in force."""
    title = "A new configuration is in force" if changed else "The configuration was read anew"
    if problems:
        title += f"; not that of {', '.join(problems)}"
    faults = [
        f"{name} {'goes on as it was' if name in kept else 'is not read'}: {why}"
        for name, why in problems.items()
    ]
    return Draft(
        kind=APPLIED,
        external_id=f"config/{new_id()}",
        revision="1",
        revised_at=at,
        occurred_at=at,
        title=title,
        summary="\n".join([f"By {by}.", *changed.lines(), *faults]),
        severity=Severity.MEDIUM if problems else None,
        attributes={"by": by, "problems": dict(problems)},
    )


async def _begin_judging(connection: Connection, config: Config, at: datetime) -> bool:
    """Say by which roles what is stored is going to be judged, before the first signal is.

    Whoever puts back the roles of before must not take what is half done for what was. False where
    nothing is to be judged.
    """
    before, roles = await applied(connection, "roles"), roles_digest(config)
    if before == roles:
        return False
    # A new database holds nothing to be judged.
    await apply(connection, "roles", roles if before is None else _doing(config), at)
    return before is not None


async def judge_anew(store: Store, config: Config, plan: Plan) -> None:
    """Judge what is stored by a configuration's roles, unless it is, or others came into force."""
    doing = _doing(config)
    if await rescore(store, plan.router, doing):
        async with store.write() as connection:
            await log.hold(connection)
            if await applied(connection, "roles") == doing:
                await apply(connection, "roles", roles_digest(config), await clock(connection))


def _doing(config: Config) -> str:
    return f"{roles_digest(config)}, under way"


def fingerprint(source: SourceConfig) -> str:
    """Tell two configurations of a source apart without keeping its secrets."""
    # Only where there is one: else every source of an older version would seem to have changed.
    slowest = [source.slowest] if source.slowest else []
    return digest_of([source.kind, source.every, source.connector.model_dump(), *slowest])


def _fingerprint(endpoint: EndpointConfig) -> str | None:
    return None if endpoint.secret is None else digest_of([str(endpoint.url), endpoint.secret])


def roles_digest(config: Config) -> str:
    """Tell roles apart, whatever their order: a database need not keep that of a table's keys."""
    return digest_of([config.roles[name].model_dump() for name in sorted(config.roles)])


def plan_of(config: Config, ids: Mapping[str, str]) -> Plan:
    """Make a configuration ready for use; `ids` are those of its endpoints."""
    targets: dict[str, list[Target]] = {}
    for one in config.endpoints.values():
        least = _least(one, config)
        targets.setdefault(one.role, []).append(Target(ids[one.name], one.kinds, least))
    return Plan(Router(config.roles), targets, config.keeps)


def _least(endpoint: EndpointConfig, config: Config) -> float:
    if endpoint.min_score is not None:
        return endpoint.min_score
    return config.roles[endpoint.role].threshold
