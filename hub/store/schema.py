"""Whether a database has the schema of this version: asked at every start, so without Alembic."""

from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

from hub.errors import ConfigError
from hub.store.engine import Store

FOLDER = Path(__file__).parent / "migrations"
# A migration's file is named by its revision: 0001_the_first_schema.py.
REVISIONS = tuple(
    sorted(path.name.partition("_")[0] for path in (FOLDER / "versions").glob("[0-9]*.py"))
)


async def require_current(store: Store, *, or_newer: bool = False) -> None:
    """Raise ConfigError with the command to run unless the schema is this version's.

    `or_newer`: what a process that runs already asks. The database was migrated for the next
    version, which only added to it, and this process works on until it is replaced.
    """
    async with store.read() as connection:
        have = await connection.run_sync(revision)
    if or_newer and have is not None and have > REVISIONS[-1]:
        return
    check_known(have)
    if have != REVISIONS[-1]:
        what = "is empty" if have is None else "has the schema of an older version"
        raise ConfigError(f"the database {what}", "Run: hub migrate")


def revision(connection: Connection) -> str | None:
    """Read which migration ran last; None where none did."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def check_known(have: str | None) -> None:
    if have is not None and have not in REVISIONS:
        raise ConfigError(
            f"the database has the schema of a newer version ({have})",
            "Install the version that made it: a schema does not go back",
        )
