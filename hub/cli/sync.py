"""`hub sync`: polls one source now, in this process."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli import prepare
from hub.cli.terminal import AsJson, as_json, complain, err, is_watched, say
from hub.errors import ConfigError, HubError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.poll import Report
    from hub.runtime import Runtime
    from hub.settings import Settings
    from hub.store.sources import Standing


def sync(
    name: Annotated[str, typer.Argument(help="The source's name in hub.toml.")],
    json: AsJson = False,
) -> None:
    """Read what is new at one source now, also if it had stopped.

    It goes on from where the source stands and resets nothing: what was read is not read again.
    """
    settings = prepare.settings()
    report = prepare.run(_sync(settings, name))
    if report is None:
        if json:
            as_json({"source": name, "polled": False, "asked": True})
        else:
            say(f"A running hub reads {name} at this moment: it was asked to read it again after")
        return
    if json:
        as_json({"source": name, "polled": True, "asked": False, **_found(report)})
    elif report.error is None:
        say(_in_words(name, report), "green")
    if report.error is not None:
        complain(HubError(f"{name}: {report.error.message}", _remedy(report)))
        raise typer.Exit(1)


async def _sync(settings: "Settings", name: str) -> "Report | None":
    """Poll until there is nothing more; None when somebody else has the lease."""
    import asyncio

    from hub.poll import Report
    from hub.runtime import open_runtime

    async with open_runtime(settings, by="hub sync") as runtime, asyncio.TaskGroup() as tasks:
        if name not in runtime.config.sources:
            there_are = ", ".join(runtime.config.sources) or "none"
            raise ConfigError(
                f"no source named {name!r} in {settings.config}", f"There are: {there_are}"
            )
        if not runtime.config.sources[name].polled:
            raise ConfigError(
                f"{name} only listens: it has nothing to poll",
                "See when something was last sent to it with: hub sources",
            )
        await _note(runtime, name)
        polls: list[Report] = []
        beside = [
            tasks.create_task(runtime.poller.beat()),
            tasks.create_task(_progress(name, polls)),
        ]
        while (standing := await _claim(runtime, name)) is not None:
            polls.append(Report())
            await runtime.poller.poll(
                runtime.config.sources[name], standing, lambda: runtime.snapshot.plan, polls[-1]
            )
            if not polls[-1].more:
                break
        for task in beside:
            task.cancel()
    return _sum(polls) if polls else None


async def _note(runtime: "Runtime", name: str) -> None:
    from hub.store.audit import Act, operator, record

    async with runtime.store.write() as connection:
        await record(connection, operator("hub sync"), Act.SOURCE_SYNCED, f"source:{name}")


async def _claim(runtime: "Runtime", name: str) -> "Standing | None":
    """Take the source's lease; where somebody else has it, ask them for one more poll."""
    from hub.lease import LEASE
    from hub.store.clock import clock
    from hub.store.sources import claim_one, make_due

    async with runtime.store.write() as connection:
        at = await clock(connection)
        standing = await claim_one(connection, name, at, LEASE)
        if standing is None:
            await make_due(connection, name, at)
    return standing


async def _progress(name: str, polls: "Sequence[Report]") -> None:
    """Show what has come so far, while a person watches."""
    import asyncio

    if not is_watched():
        return
    with err().status(f"reading {name}") as status:
        while True:
            await asyncio.sleep(0.2)
            status.update(f"reading {_in_words(name, _sum(polls))}")


def _sum(polls: "Sequence[Report]") -> "Report":
    from hub.poll import Report

    return Report(
        pages=sum(one.pages for one in polls),
        signals=sum(one.signals for one in polls),
        seen_before=sum(one.seen_before for one in polls),
        too_old=sum(one.too_old for one in polls),
        quarantined=sum(one.quarantined for one in polls),
        error=polls[-1].error if polls else None,
    )


def _in_words(name: str, report: "Report") -> str:
    parts = [f"{report.signals} new or changed", f"{report.seen_before} seen before"]
    if report.too_old:
        parts.append(f"{report.too_old} too old to be kept")
    if report.quarantined:
        parts.append(f"{report.quarantined} could not be read")
    return f"{name}: {', '.join(parts)} ({report.pages} page{'s' * (report.pages != 1)})"


def _found(report: "Report") -> dict[str, Any]:
    return {
        "pages": report.pages,
        "signals": report.signals,
        "seen_before": report.seen_before,
        "too_old": report.too_old,
        "quarantined": report.quarantined,
        "error": report.error.message if report.error else None,
    }


def _remedy(report: "Report") -> str:
    from hub.errors import AuthFailed, RateLimited, SourceUnavailable

    assert report.error is not None
    if report.error.suggestion:
        return report.error.suggestion
    match report.error:
        case AuthFailed():
            return "Check the source's key in hub.toml or .env, and what it may read"
        case RateLimited():
            return "Wait; a running hub asks again by itself"
        case SourceUnavailable():
            return "Try again later; a running hub does so by itself"
        case _:
            return "Set HUB_LOG_LEVEL=DEBUG and run it again for more"
