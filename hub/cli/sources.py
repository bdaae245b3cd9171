"""`hub sources`: how each source is."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from hub.cli import prepare
from hub.cli.terminal import AsJson, as_json, note, say, span, table
from hub.errors import ConfigError

if TYPE_CHECKING:
    from hub.settings import Settings
    from hub.store import Store
    from hub.store.sources import Standing, State


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    connector: str
    state: "State"
    problem: str | None
    lag_seconds: float | None
    last_success_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    next_poll_at: datetime | None
    last_push_at: datetime | None
    asked_every_seconds: float | None  # where it is asked less often while it is quiet
    brought_at: datetime | None
    failures: int
    signals: int
    quarantined: int


def sources(json: AsJson = False) -> None:
    """Show how each source is, and what went wrong."""
    settings = prepare.settings()
    found = prepare.run(_read(settings))
    undeclared = _not_served_yet(settings, [one.name for one in found])
    if json:
        as_json(found)
        return
    if found:
        _show(found)
    else:
        say("No sources yet: name them in hub.toml, then run hub serve")
    if undeclared:
        note(f"In hub.toml, but not served yet: {', '.join(undeclared)}")


async def _read(settings: "Settings") -> list[_Source]:
    from hub.access import Always
    from hub.config import HUB_SOURCE
    from hub.signals import now
    from hub.store.pushes import last_pushes
    from hub.store.sources import counts, standings

    at = now()
    async with prepare.store(settings) as store, store.read() as connection:
        rows = [one for one in await standings(connection) if one.name != HUB_SOURCE]
        counted = await counts(connection, [one.name for one in rows], Always())
        pushed = await last_pushes(connection, [one.name for one in rows])
        paces = await _paces(settings, store, rows)
    return [
        _Source(
            name=one.name,
            connector=one.connector,
            state=one.state,
            problem=one.problem,
            lag_seconds=round((at - one.last_success_at).total_seconds(), 1)
            if one.last_success_at
            else None,
            last_success_at=one.last_success_at,
            last_error=one.last_error,
            last_error_at=one.last_error_at,
            next_poll_at=one.next_poll_at,
            last_push_at=pushed.get(one.name),
            asked_every_seconds=paces.get(one.name),
            brought_at=one.brought_at,
            failures=one.failures,
            signals=counted[one.name][0],
            quarantined=counted[one.name][1],
        )
        for one in rows
    ]


async def _paces(settings: "Settings", store: "Store", rows: "list[Standing]") -> dict[str, float]:
    """Tell how often those are asked now that are asked less often while they are quiet."""
    from hub.pace import pace
    from hub.signals import now

    try:
        sources = (await prepare.found(settings, store)).sources
    except ConfigError:
        return {}  # it is said below
    at = now()
    return {
        one.name: round(pace(source, one, at, brought=False).total_seconds(), 1)
        for one in rows
        if (source := sources.get(one.name)) is not None and source.slowest is not None
    }


def _not_served_yet(settings: "Settings", served: list[str]) -> list[str]:
    """Name what hub.toml declares and no hub has read yet."""
    if not settings.config.exists() and served:
        return []  # what is stored is in force
    try:
        declared = prepare.config(settings).sources
    except ConfigError as error:
        # The sources that are in force can still be looked at.
        note(f"hub.toml, as it is now, could not be put in force: {error}")
        return []
    return [name for name in declared if name not in served]


def _show(found: list[_Source]) -> None:
    from datetime import timedelta

    from hub.signals import now

    at = now()

    def lag(one: _Source) -> str | None:
        return span(timedelta(seconds=one.lag_seconds)) if one.lag_seconds is not None else None

    def every(one: _Source) -> str | None:
        seconds = one.asked_every_seconds
        return None if seconds is None else span(timedelta(seconds=seconds))

    def due(one: _Source) -> str:
        if one.next_poll_at is None:
            return "stopped" if one.state == "auth_failed" else "none: it listens"
        return f"in {span(one.next_poll_at - at)}" if one.next_poll_at > at else "now"

    columns = ["name", "connector", "state", "lag", "next poll", "signals"]
    rows: list[list[object]] = [
        [one.name, one.connector, one.state, lag(one), due(one), one.signals] for one in found
    ]
    # What is true of few sources has a column where it is true of one.
    more: dict[str, list[object]] = {
        "asked every": [every(one) for one in found],
        "last push": [one.last_push_at and f"{span(at - one.last_push_at)} ago" for one in found],
        "unread": [one.quarantined or None for one in found],
        "configuration": [one.problem and f"the one before: {one.problem}" for one in found],
        "last error": [one.last_error for one in found],
    }
    for name, values in more.items():
        if any(values):
            columns.append(name)
            for row, value in zip(rows, values, strict=True):
                row.append(value)
    table(
        columns,
        rows,
        numbers={"signals", "unread"},
        whole={"name", "state", "lag", "next poll", "signals"},
    )
