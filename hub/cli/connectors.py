"""`hub connectors`: what can be read, and the settings of each."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from hub.cli.certify import certify
from hub.cli.new import new
from hub.cli.terminal import AsJson, as_json, code, complain, heading, say, span, table
from hub.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="What can be read, and the settings of each.")
app.command()(certify)
app.command()(new)


@app.command("list")
def list_(json: AsJson = False) -> None:
    """Name every connector that hub.toml may use."""
    from hub import registry
    from hub.cli.form import about

    found: list[dict[str, Any]] = []
    broken: list[ConfigError] = []
    for name in registry.names():
        try:
            connector = registry.find(name)
        except ConfigError as error:
            broken.append(error)
            continue
        found.append(
            {
                "name": name,
                "class": f"{connector.__module__}.{connector.__qualname__}",
                "kinds": connector.kinds,
                "every_seconds": connector.every,
                "about": about(connector),
            }
        )
    if json:
        as_json(found)
    else:
        table(
            ["name", "class", "what it reads", "kinds"],
            [
                [it["name"], it["class"].rpartition(".")[2], it["about"], _kinds(it["kinds"])]
                for it in found
            ],
            whole=["name", "class"],
        )
    for one in broken:
        complain(one)
    if broken:
        raise typer.Exit(1)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A connector's name, as `list` gives it.")],
    json: AsJson = False,
) -> None:
    """Show one connector: what it emits, its settings, and an example for hub.toml."""
    from hub import registry
    from hub.cli.example import source_example
    from hub.cli.form import COMMON, Setting, about, form, within

    connector = registry.find(name)
    own, inner = form(connector), within(connector)
    if json:
        as_json(
            {
                "name": name,
                "class": f"{connector.__module__}.{connector.__qualname__}",
                "kinds": connector.kinds,
                "every_seconds": connector.every,
                "about": about(connector),
                "settings": own,
                "within": inner,
            }
        )
        return

    def settings_table(settings: Sequence[Setting]) -> None:
        table(
            ["name", "type", "default", "description"],
            [[one.name, one.type, one.default_in_words, one.description] for one in settings],
            whole=["name"],
        )

    say(name, "bold")
    say(about(connector))
    say(f"Asks every {span(connector.every)}. Emits {', '.join(sorted(connector.kinds))}")
    heading("Settings")
    settings_table(own)
    if inner:
        heading("In its tables")
        settings_table(inner)
    heading("Every source also takes")
    settings_table(COMMON)
    heading("In hub.toml")
    for line in source_example(name, connector):
        code(line)


def _kinds(kinds: frozenset[str]) -> str:
    """Name the kinds, or where they are many only how many of what; `show` has them all."""
    if len(kinds) <= 2:
        return ", ".join(sorted(kinds))
    of = sorted({kind.partition(".")[0] for kind in kinds})
    return f"{len(kinds)} of {', '.join(of) if len(of) <= 3 else f'{len(of)} areas'}"
