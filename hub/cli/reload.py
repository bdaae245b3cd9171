"""`hub reload`: puts in force what hub.toml says now; every running process follows."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from typing import TYPE_CHECKING, Any

import typer

from hub.cli import prepare
from hub.cli.terminal import AsJson, as_json, complain, say
from hub.errors import HubError

if TYPE_CHECKING:
    from hub.settings import Settings
    from hub.snapshot import Applied


def reload(json: AsJson = False) -> None:
    """Put in force what hub.toml and .env say now, without a restart.

    A source that is faulty goes on as it was; the exit code is then 1. Where the roles, the
    endpoints or the file as a whole are faulty, nothing changes.
    """
    settings = prepare.settings()
    applied = prepare.run(_reload(settings))
    problems = applied.snapshot.config.problems
    if json:
        as_json(_found(applied))
    else:
        _show(applied)
        for name, problem in problems.items():
            now = "goes on as it was" if name in applied.kept else "is not read"
            complain(HubError(f"{name} {now}: {problem.message}", problem.suggestion))
    if problems:
        raise typer.Exit(1)


async def _reload(settings: "Settings") -> "Applied":
    from hub.renewal import reload as put_in_force
    from hub.settings import environment

    accept = prepare.accept(settings.config)
    async with prepare.store(settings) as store:
        return await put_in_force(store, settings.config, environment(), "hub reload", accept)


def _found(applied: "Applied") -> dict[str, Any]:
    return {
        "changed": bool(applied.difference),
        "sources": applied.difference.sources,
        "roles": applied.difference.roles,
        "endpoints": applied.difference.endpoints,
        "others": applied.difference.others,
        "problems": [
            {
                "source": name,
                "error": problem.message,
                "fix": problem.suggestion,
                "goes_on": name in applied.kept,
            }
            for name, problem in applied.snapshot.config.problems.items()
        ],
        "seq": applied.snapshot.seq,
    }


def _show(applied: "Applied") -> None:
    lines = list(applied.difference.lines())
    for line in lines:
        say(line)
    if lines:
        say("In force: every running process follows within seconds", "green")
    else:
        say("Nothing changed; running processes read their secrets anew")
