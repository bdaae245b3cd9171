"""`hub backup` and `hub restore`: a copy of the database, and putting one back."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import prepare
from hub.cli.terminal import AsJson, as_json, err, is_watched, note, say
from hub.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.settings import Settings

Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]


def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it: one file, for your eyes only.")],
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Copy the database into a file, also while a hub runs on it.

    The copy is of one moment, checked, and complete or not there.
    """
    from hub.store.backup import back_up

    database = _database(prepare.settings(), _dump(file))
    if is_watched():
        with err().status("copying") as status:
            size = back_up(
                database,
                file,
                force=force,
                progress=lambda left, total: status.update(f"copying {1 - left / total:.0%}"),
            )
    else:
        size = back_up(database, file, force=force)
    if json:
        as_json({"file": str(file), "bytes": size})
    else:
        say(f"backed up {database} to {file} ({size / 1e6:.1f} MB)", "green")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that hub backup wrote.")],
    force: Force = False,
    json: AsJson = False,
) -> None:
    """Put a backup in the place of the database, with the hub stopped.

    It is brought to this version's schema, and whoever was forgotten since is forgotten again.
    """
    from hub.store.backup import forgotten_in, restored

    settings = prepare.settings()
    database = _database(settings, _load(file))
    listed = forgotten_in(database) if database.exists() else []
    with restored(file, database, force=force) as copy:
        again = prepare.run(_make_ready(settings, copy, listed or ()))
    if json:
        as_json(
            {"database": str(database), "list_carried_over": listed is not None,
             "forgotten_again": again}
        )  # fmt: skip
        return
    if listed is None:
        note(
            f"{database} could not be read: whoever was forgotten since the backup is to be "
            "forgotten once more, with hub forget"
        )
    say(f"restored {database} from {file}", "green")
    if again:
        say(f"{again} people who were forgotten since were forgotten again")


async def _make_ready(
    settings: "Settings", database: Path, listed: "Sequence[tuple[str, str]]"
) -> int:
    """Bring a copy to this version, and forget those whom it brought back; give how many."""
    from hub.forget import forget_again
    from hub.store import open_store
    from hub.store.audit import Act, operator, record
    from hub.store.backup import add_forgotten
    from hub.store.migrate import migrate

    async with open_store(f"sqlite:///{database}") as store:
        await migrate(store)
        add_forgotten(database, listed)
        async with store.write() as connection:
            await record(connection, operator("hub restore"), Act.DATABASE_RESTORED)
        return len(await forget_again(store, lambda: prepare.config(settings)))


def _database(settings: "Settings", other: tuple[str, str]) -> Path:
    """Give the file that HUB_DATABASE names. Raises ConfigError where it is not SQLite."""
    from hub.store import database_url

    url = database_url(settings.database)
    if url.get_backend_name() == "sqlite" and url.database:
        return Path(url.database)
    program, rest = other
    # Without the password, which would stay in the shell's history.
    name = url.set(drivername="postgresql", password=None).render_as_string()
    raise ConfigError(
        "HUB_DATABASE is PostgreSQL, which has programs of its own for that",
        f"Run: {program} --dbname='{name}' {rest}",
    )


def _dump(file: Path) -> tuple[str, str]:
    return "pg_dump --format=custom", f"--file='{file}'"


def _load(file: Path) -> tuple[str, str]:
    return "pg_restore --clean --if-exists --single-transaction", f"'{file}' (docs/backup.md)"
