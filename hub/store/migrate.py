"""Brings a database to the schema of this version, and tells whether it is there."""

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from hub.errors import ConfigError
from hub.store.engine import Store

FOLDER = Path(__file__).parent / "migrations"


async def migrate(store: Store) -> list[str]:
    """Run every migration that is missing; give their names."""
    async with store.write() as connection:
        return await connection.run_sync(_upgrade)


async def require_current(store: Store) -> None:
    """Raise ConfigError with the command to run unless the schema is this version's."""
    async with store.read() as connection:
        have = await connection.run_sync(_revision)
    script = ScriptDirectory.from_config(_config())
    _check_known(script, have)
    if have != script.get_current_head():
        what = "is empty" if have is None else "has the schema of an older version"
        raise ConfigError(f"the database {what}", "Run: hub migrate")


def _config() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(FOLDER))
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _check_known(script: ScriptDirectory, revision: str | None) -> None:
    if revision is not None and revision not in {one.revision for one in script.walk_revisions()}:
        raise ConfigError(
            f"the database has the schema of a newer version ({revision})",
            "Install the version that made it: a schema does not go back",
        )


def _upgrade(connection: Connection) -> list[str]:
    before = _revision(connection)
    config = _config()
    script = ScriptDirectory.from_config(config)
    _check_known(script, before)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    ran = [step.doc for step in script.iterate_revisions("head", before or "base")]
    return list(reversed(ran))
