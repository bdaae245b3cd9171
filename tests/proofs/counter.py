"""A process whose tasks count in one row: they read it, then write one more."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import orjson
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from hub.errors import StoreUnavailable
from hub.store import Store, open_store


@asynccontextmanager
async def opened(url: str, *, deferred: bool) -> AsyncGenerator[Store]:
    """Open the store; `deferred` plants a fault: transactions as SQLAlchemy begins them."""
    async with open_store(url) as store:
        if deferred:
            await store._write.dispose()
            store._write = create_async_engine(store.url)
        yield store


async def work(url: str, tasks: int, rounds: int, deferred: bool) -> dict[str, int]:
    done = {"committed": 0, "failed": 0}

    async def count(store: Store) -> None:
        for _ in range(rounds):
            try:
                async with store.write() as connection:
                    row = await connection.execute(text("SELECT n FROM counter"))
                    more = {"n": row.scalar_one() + 1}
                    await connection.execute(text("UPDATE counter SET n = :n"), more)
            except (StoreUnavailable, OperationalError):
                done["failed"] += 1
            else:
                done["committed"] += 1

    async with opened(url, deferred=deferred) as store:
        await asyncio.gather(*(count(store) for _ in range(tasks)))
    return done


if __name__ == "__main__":
    answer = asyncio.run(work(**orjson.loads(sys.stdin.readline())))
    sys.stdout.write(orjson.dumps(answer).decode() + "\n")
