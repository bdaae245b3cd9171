"""`hub sessions`: who is signed in to the dashboard, and ending that."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import prepare
from hub.cli.terminal import AsJson, as_json, moment, say, table
from hub.errors import Code, ConfigError, Refused

if TYPE_CHECKING:
    from hub.store.sessions import Session

app = typer.Typer(no_args_is_help=True, help="The dashboard's sessions: list, end.")


@app.command("list")
def list_(json: AsJson = False) -> None:
    """List who is signed in to the dashboard, and until when."""
    from hub.signals import now
    from hub.store.sessions import sessions

    settings = prepare.settings()

    async def read() -> "list[Session]":
        async with prepare.store(settings) as store, store.read() as connection:
            return await sessions(connection, now())

    found = prepare.run(read())
    if json:
        as_json(
            [
                {"who": one.identity, "opened_at": one.opened_at, "ends_at": one.ends_at}
                for one in found
            ]
        )
        return
    if not found:
        say("Nobody is signed in to the dashboard")
        return
    table(
        ["who", "since", "until"],
        [[one.identity, moment(one.opened_at), moment(one.ends_at)] for one in found],
        whole={"since", "until"},
    )


@app.command()
def end(
    who: Annotated[str | None, typer.Argument(help="Whose sessions, as `list` shows it.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Everybody's sessions.")] = False,
    json: AsJson = False,
) -> None:
    """End sessions: a running hub refuses them within seconds.

    It keeps nobody from signing in again: for that revoke the key, or lock the account at the
    sign-in provider.
    """
    from hub.signals import now
    from hub.store.audit import operator
    from hub.store.sessions import end_sessions

    if (who is None) is not everybody:
        raise ConfigError("whose sessions?", "Name one that `hub sessions list` shows, or --all")
    settings = prepare.settings()

    async def work() -> int:
        async with prepare.store(settings) as store, store.write() as connection:
            return await end_sessions(connection, who, now(), operator("hub sessions end"))

    ended = prepare.run(work())
    if not ended and not everybody:
        raise Refused(
            Code.NOT_FOUND, "there is no such session", "See them with: hub sessions list"
        )
    if json:
        as_json({"ended": ended})
    else:
        say(f"ended {ended}: a running hub refuses them within seconds")
