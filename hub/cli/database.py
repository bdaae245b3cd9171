"""`hub migrate` and `hub schema`: the schema of the database, and that of the API."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

import typer

from hub.cli import prepare
from hub.cli.terminal import AsJson, as_json, say


def migrate(json: AsJson = False) -> None:
    """Bring the database to the schema of this version."""
    from hub.store import open_store
    from hub.store.migrate import migrate as run_migrations

    settings = prepare.settings()

    async def work() -> list[str]:
        async with open_store(settings.database) as store:
            return await run_migrations(store)

    ran = prepare.run(work())
    if json:
        as_json({"ran": ran})
        return
    for name in ran:
        say(f"ran: {name.rstrip('.')}")
    say("The database is up to date" if ran else "Nothing to do: the database is up to date")


def schema() -> None:
    """Write the GraphQL schema to standard output."""
    from hub.graphql.schema import schema_text

    typer.echo(schema_text(), nl=False)
