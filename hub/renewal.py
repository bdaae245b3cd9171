"""Where a configuration comes from: the file, the store, or both where the file is faulty."""

import logging
import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from hub.config import Config, configure, load_tables
from hub.errors import ConfigError
from hub.snapshot import Applied, Snapshot, being_judged, plan_of, put_in_force
from hub.store import Store
from hub.store.endpoints import endpoint_ids
from hub.store.snapshots import Stored, newest
from hub.toml import Place, Tables

STORED = Place("the stored configuration", {})

# Raises ConfigError for what only a door can judge: a webhook's selection.
Accept: TypeAlias = Callable[[Config], None]

logger = logging.getLogger(__name__)


async def begin(
    store: Store, file: Path, environment: Mapping[str, str], by: str, accept: Accept
) -> Applied:
    """Put in force what is found at a start. Raises ConfigError."""
    config = await found(store, file, environment)
    accept(config)
    return await put_in_force(store, config, by=_signed(by))


async def found(store: Store, file: Path, environment: Mapping[str, str]) -> Config:
    """Give what hub.toml says, or, where there is no file, what is stored.

    A source that is faulty in the file goes on as it is stored. Raises ConfigError.
    """
    async with store.read() as connection:
        stored = await newest(connection)
    return _file_or_stored(file, stored, environment)


def _file_or_stored(file: Path, stored: Stored | None, environment: Mapping[str, str]) -> Config:
    if stored is None:
        return configure(load_tables(file), environment)
    if file.exists():
        return _with_stored(
            configure(load_tables(file), environment, lenient=True), stored, environment
        )
    facts = {"file": str(file), "by": stored.by, "at": stored.at.isoformat()}
    logger.warning("the file does not exist: the stored configuration is in force", extra=facts)
    config = configure(Tables(stored.tables, STORED), environment, elsewhere=stored.problems)
    _say_unsent(config)
    known = {name: ConfigError(why) for name, why in stored.problems.items()}
    return replace(config, problems=known)


def _with_stored(config: Config, stored: Stored, environment: Mapping[str, str]) -> Config:
    """Add the sources that are faulty in the file as they are stored."""
    tables = stored.tables.get("sources", {})
    wanted = {name: tables[name] for name in config.problems if name in tables}
    old = configure(Tables({"sources": wanted}, STORED), environment, lenient=True)
    for name, problem in config.problems.items():
        if name not in old.sources:
            raise problem
        say_faulty(name, problem, kept=True)
    return replace(config, sources={**config.sources, **old.sources})


async def reload(
    store: Store, file: Path, environment: Mapping[str, str], by: str, accept: Accept
) -> Applied:
    """Put in force what hub.toml says now; every process follows by the log.

    A source that is faulty keeps its configuration. It is told also where nothing changed: the
    secrets may have. Raises ConfigError, and then nothing has changed.
    """
    config = configure(load_tables(file), environment, lenient=True)
    accept(config)
    return await put_in_force(store, config, by=_signed(by), tell=True)


async def take_over(
    store: Store, held: Snapshot, environment: Mapping[str, str], seq: int
) -> Snapshot:
    """Make the newest stored configuration this process's own, as it is at a line of the log.

    A source that is faulty here keeps what the process holds of it. Raises ConfigError.
    """
    async with store.read() as connection:
        stored = await newest(connection)
        ids = await endpoint_ids(connection)
    assert stored is not None, "the log tells of what is stored"
    tables = Tables(stored.tables, STORED)
    config = configure(tables, environment, lenient=True, elsewhere=stored.problems)
    kept = {name: one for name, one in held.config.sources.items() if name in config.problems}
    for name, problem in config.problems.items():
        say_faulty(name, problem, kept=name in kept)
    _say_unsent(config)
    config = being_judged(
        replace(config, sources={**config.sources, **kept}), by=held.config.judged
    )
    return Snapshot(config, plan_of(config, ids), seq)


def _signed(by: str) -> str:
    return f"{by} on {platform.node()}"


def say_faulty(name: str, problem: ConfigError, *, kept: bool) -> None:
    now = "goes on as it was" if kept else "is not read"
    facts = {"source": name, "now": now, "error": str(problem)}
    logger.warning("the configuration of a source is faulty", extra=facts)


def _say_unsent(config: Config) -> None:
    for name in config.endpoints.keys() - set(config.sendable):
        facts = {"endpoint": name}
        logger.warning(
            "an endpoint's secret is not set here: this process sends nothing", extra=facts
        )
