"""`hub audit`: what administrators did."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import prepare
from hub.cli.terminal import AsJson, as_json, moment, say, table

if TYPE_CHECKING:
    from hub.settings import Settings
    from hub.store.audit import Entry


def audit(
    limit: Annotated[int, typer.Option(min=1, help="So many, the newest first.")] = 50,
    json: AsJson = False,
) -> None:
    """Show what administrators did, newest first: who, what, before and after.

    The database refuses to change or delete a line of it.
    """
    import orjson

    settings = prepare.settings()
    found = prepare.run(_read(settings, limit))
    if json:
        as_json(found)
        return
    if not found:
        say("Nobody has administered anything yet")
        return
    table(
        ["at", "what", "of what", "by", "before", "after"],
        [
            [
                moment(one.at),
                one.act,
                one.subject,
                one.actor,
                orjson.dumps(one.before).decode() if one.before else None,
                orjson.dumps(one.after).decode() if one.after else None,
            ]
            for one in found
        ],
        whole={"at", "what"},
    )


async def _read(settings: "Settings", limit: int) -> "list[Entry]":
    from hub.store.audit import entries

    async with prepare.store(settings) as store, store.read() as connection:
        return await entries(connection, limit=limit)
