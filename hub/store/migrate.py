"""Brings a database to the schema of this version."""

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from hub.store.engine import Store
from hub.store.indexing import index_again
from hub.store.schema import FOLDER, REVISIONS, check_known, revision
from hub.store.turns import only_migration


async def migrate(store: Store, to: str = "head") -> list[str]:
    """Run every migration that is missing, up to a revision; give their names.

    All of them in one transaction: what is interrupted leaves the schema of before. Of two that
    begin at once, one waits and then finds nothing to do. What has no words yet gets them, in
    batches of their own: others write between them, and whoever runs it again goes on.
    """
    async with store.write() as connection:
        await only_migration(connection)
        ran = await connection.run_sync(_upgrade, to)
    if to == "head":
        await index_again(store)
    return ran


def scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(FOLDER))
    return config


def _upgrade(connection: Connection, to: str) -> list[str]:
    before = revision(connection)
    check_known(before)
    if before == REVISIONS[-1]:
        return []
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)
    ran = [step.doc for step in scripts().iterate_revisions(to, before or "base")]
    return list(reversed(ran))
