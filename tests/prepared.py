"""Databases that are migrated already: copies of one that this process has migrated.

Migrating takes longer than most tests; `hub migrate` itself is tested on empty databases.
"""

import asyncio
import tempfile
from pathlib import Path

from hub.store import open_store
from hub.store.migrate import migrate

_made: list[bytes] = []
ready: set[str] = set()  # where there is a database of this version: to ask it takes as long


def write_migrated(path: Path) -> None:
    """Write a SQLite database of this version."""
    if not _made:
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "hub.db"
            asyncio.run(migrate_at(f"sqlite:///{made}"))
            # With its last connection closed, everything is in this one file.
            _made.append(made.read_bytes())
    path.write_bytes(_made[0])
    ready.add(f"sqlite:///{path}")


async def prepare(url: str) -> None:
    """Migrate a database; a SQLite file that is not there yet is a copy."""
    if url in ready:
        return
    scheme, _, path = url.partition(":///")
    if scheme != "sqlite" or not await asyncio.to_thread(_copy, Path(path)):
        await migrate_at(url)
    ready.add(url)


def _copy(path: Path) -> bool:
    if path.exists():
        return False
    write_migrated(path)
    return True


async def migrate_at(url: str) -> None:
    async with open_store(url) as store:
        await migrate(store)
