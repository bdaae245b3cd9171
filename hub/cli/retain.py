"""`hub retain`: deletes now what was kept long enough; a running hub does so every hour."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import prepare
from hub.cli.terminal import AsJson, as_json, say

if TYPE_CHECKING:
    from hub.retention import Removed
    from hub.settings import Settings


def retain(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Delete nothing: count what would go.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Delete what was kept long enough, as [retention] in hub.toml says.

    A running hub does so by itself, every hour.
    """
    settings = prepare.settings()
    if dry_run:
        counts = prepare.run(_count(settings))
        if json:
            as_json({"dry_run": True, **counts})
        else:
            say(f"would delete {_in_words(counts)}")
        return
    removed = prepare.run(_retain(settings))
    if json:
        as_json(
            {"dry_run": False, "under_way": removed is None, **(asdict(removed) if removed else {})}
        )
    elif removed is None:
        say("A running hub deletes what is due at this moment")
    else:
        say(f"deleted {_in_words(asdict(removed))}", "green")


async def _count(settings: "Settings") -> dict[str, int]:
    from hub.retention import cutoffs
    from hub.signals import now
    from hub.store.erase import count_old

    async with prepare.store(settings) as store:
        config = await prepare.found(settings, store)
        async with store.read() as connection:
            return await count_old(connection, cutoffs(config, now()))


async def _retain(settings: "Settings") -> "Removed | None":
    from hub.bus.local import LocalBus
    from hub.retention import Retention
    from hub.signals import iso, now
    from hub.store.audit import Act, operator, record

    async with prepare.store(settings) as store:
        config = await prepare.found(settings, store)
        async with store.write() as connection:
            at = {"from": iso(now())}
            await record(connection, operator("hub retain"), Act.RETENTION_RUN, after=at)
        return await Retention(store, LocalBus(), lambda: config).once(due=False)


def _in_words(counts: dict[str, int]) -> str:
    return (
        f"{counts['signals']} signals, {counts['log']} lines of the log, "
        f"{counts['raw']} records that could not be read, {counts['deliveries']} deliveries"
    )
