"""Migrations on both engines: they make what the tables declare, once, and are required."""

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlmodel import SQLModel

from hub.config import read_config
from hub.errors import ConfigError
from hub.runtime import open_runtime
from hub.settings import Settings
from hub.store import log, open_store
from hub.store.migrate import migrate, scripts
from hub.store.schema import REVISIONS, require_current


async def test_the_migrations_make_what_the_tables_declare(empty_database_url: str) -> None:
    def declared(name: str | None, _: str, __: object) -> bool:
        return not (name or "").startswith("search_index")  # tables that FTS5 makes for itself

    def differences(connection: Connection) -> list[object]:
        dialect = connection.dialect.name

        def ours(object_: Any, *_: object) -> bool:
            only = getattr(object_, "_ddl_if", None)
            return only is None or only.dialect == dialect

        opts = {"compare_type": True, "include_name": declared, "include_object": ours}
        context = MigrationContext.configure(connection, opts=opts)
        return list(compare_metadata(context, SQLModel.metadata))

    async with open_store(empty_database_url) as store:
        assert await migrate(store) != []
        assert await migrate(store) == []
        async with store.write() as connection:
            assert await connection.run_sync(differences) == []
            assert await log.head(connection) == 0


def test_the_files_names_are_the_revisions_that_alembic_knows() -> None:
    known = [step.revision for step in scripts().walk_revisions("base", "head")]
    assert list(REVISIONS) == list(reversed(known))


async def test_nothing_starts_on_an_empty_database(empty_database_url: str) -> None:
    settings = Settings(database=empty_database_url)
    with pytest.raises(ConfigError, match=r"the database is empty\. Run: hub migrate"):
        async with open_runtime(settings, read_config("", {})):
            pass
    async with open_store(empty_database_url) as store:
        await migrate(store)
        async with store.write() as connection:
            await connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'other'")
        with pytest.raises(ConfigError, match="the schema of a newer version"):
            await require_current(store)


@pytest.mark.parametrize("url", ["mysql://x", "nonsense", "", "sqlite:///no/such/folder/hub.db"])
async def test_a_database_the_hub_cannot_open_is_said(url: str) -> None:
    with pytest.raises(ConfigError, match="HUB_DATABASE"):
        async with open_store(url):
            pass
