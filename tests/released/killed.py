"""`hub migrate` that is killed: python -m tests.released.killed DATABASE STATEMENT."""

import asyncio
import os
import signal
import sys
from typing import Any

from sqlalchemy import Engine, event

from hub.store import open_store
from hub.store.migrate import migrate


async def main(url: str, moment: str) -> None:
    @event.listens_for(Engine, "after_cursor_execute")
    def kill(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        del connection, cursor
        if moment in statement:
            os.kill(os.getpid(), signal.SIGKILL)

    async with open_store(url) as store:
        await migrate(store)


asyncio.run(main(*sys.argv[1:]))
