"""The commands of `hub`. Each imports what it needs when it runs, so that `--help` is quick."""

from typing import Annotated

import typer

from hub import __version__
from hub.cli import (
    audit,
    backup,
    check,
    connectors,
    database,
    demo,
    documents,
    forget,
    init,
    keys,
    reload,
    retain,
    serve,
    sessions,
    sources,
    sync,
    tail,
    trace,
)
from hub.cli.help import SECTIONS, InSections

app = typer.Typer(
    cls=InSections,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # a plain help needs neither Markdown nor Pygments, 0.2 s of import
    pretty_exceptions_enable=False,  # it would show local variables, and so secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"hub {__version__}")
        raise typer.Exit


@app.callback()
def _hub(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Team Signals Hub: what every department's tools know, told to each role it matters to."""


BEGIN, RUN, LOOK, KEEP = SECTIONS
app.command(rich_help_panel=BEGIN)(init.init)
app.command(rich_help_panel=BEGIN)(check.check)
app.command(rich_help_panel=BEGIN)(database.migrate)
app.add_typer(keys.app, name="keys", rich_help_panel=BEGIN)
app.add_typer(sessions.app, name="sessions", rich_help_panel=BEGIN)
app.add_typer(documents.app, name="documents", rich_help_panel=BEGIN)
app.command(rich_help_panel=RUN)(demo.demo)
app.command(rich_help_panel=RUN)(serve.serve)
app.command(rich_help_panel=RUN)(serve.worker)
app.command(rich_help_panel=RUN)(reload.reload)
app.command(rich_help_panel=RUN)(sync.sync)
app.command(rich_help_panel=LOOK)(sources.sources)
app.command(rich_help_panel=LOOK)(tail.tail)
app.command(rich_help_panel=LOOK)(trace.trace)
app.command(rich_help_panel=LOOK)(audit.audit)
app.add_typer(connectors.app, name="connectors", rich_help_panel=LOOK)
app.command(rich_help_panel=LOOK)(database.schema)
app.command(rich_help_panel=KEEP)(retain.retain)
app.command(rich_help_panel=KEEP)(forget.forget)
app.command(rich_help_panel=KEEP)(backup.backup)
app.command(rich_help_panel=KEEP)(backup.restore)
