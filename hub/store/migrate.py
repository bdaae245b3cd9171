"""Brings a database to the schema of this version."""

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from hub.store.engine import Store
from hub.store.schema import FOLDER, check_known, revision


async def migrate(store: Store) -> list[str]:
    """Run every migration that is missing; give their names."""
    async with store.write() as connection:
        return await connection.run_sync(_upgrade)


def scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(FOLDER))
    return config


def _upgrade(connection: Connection) -> list[str]:
    before = revision(connection)
    check_known(before)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    ran = [step.doc for step in scripts().iterate_revisions("head", before or "base")]
    return list(reversed(ran))
