"""What most commands begin with: settings, quiet logs, an open and migrated database."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hub.errors import ConfigError

if TYPE_CHECKING:
    from hub.config import Config
    from hub.renewal import Accept
    from hub.settings import Settings
    from hub.store import Store

T = TypeVar("T")


def settings(**overrides: object) -> "Settings":
    """Read the settings and set up logging. Raises ConfigError.

    A command that ends says by itself what went wrong: its logs are quiet unless asked for.
    """
    from hub.logs import set_up_logs
    from hub.settings import load_settings

    read = load_settings(**overrides)
    level = read.log_level if "log_level" in read.model_fields_set else "ERROR"
    set_up_logs(level, read.log_format)
    return read


def config(read: "Settings") -> "Config":
    """Read and check hub.toml. Raises ConfigError."""
    from hub.config import load_config
    from hub.settings import environment

    return load_config(read.config, environment())


async def found(read: "Settings", opened: "Store") -> "Config":
    """Give what a hub would put in force at its start. Raises ConfigError."""
    from hub.renewal import found as at_a_start
    from hub.settings import environment

    return await at_a_start(opened, read.config, environment())


def accept(file: Path) -> "Accept":
    """Give what checks the endpoints' selections, and says the line of the first wrong one."""

    def check(read: "Config") -> None:
        endpoints = [one for one in read.endpoints.values() if one.select is not None]
        if not endpoints:
            return  # and the schema, which takes its time, need not be made
        from hub.graphql.render import check_selections
        from hub.graphql.schema import make_schema
        from hub.toml import place_of

        schema = make_schema()
        for endpoint in endpoints:
            try:
                check_selections(schema, [endpoint])
            except ConfigError as error:
                path = ("endpoints", endpoint.name, "select")
                said = error.message.removeprefix(f"{'.'.join(path)}: ")
                place = place_of(file.read_text(), str(file))
                raise place.error(path, said, error.suggestion) from None

    return check


@asynccontextmanager
async def store(read: "Settings") -> AsyncGenerator["Store"]:
    """Open the database. Raises ConfigError when it is not migrated, StoreUnavailable."""
    from hub.store import open_store
    from hub.store.schema import require_current

    async with open_store(read.database) as opened:
        await require_current(opened)
        yield opened


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run the asynchronous part of a command; what the hub can explain comes out ungrouped."""
    import asyncio

    from hub.errors import HubError

    try:
        return asyncio.run(work)
    except BaseExceptionGroup as group:
        explained, others = group.split(HubError)
        if explained is None or others is not None:
            raise
        raise _first(explained) from group


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    one = group.exceptions[0]
    return _first(one) if isinstance(one, BaseExceptionGroup) else one
