"""The hub as it is installed without extras: no driver of PostgreSQL, no arq, no Redis client."""

import subprocess
import sys
from pathlib import Path

PLAIN = """
import asyncio, sys
sys.modules.update(dict.fromkeys(("asyncpg", "arq", "redis", "opentelemetry")))
import hub.__main__, hub.cli.serve, hub.web.app
from hub.store import open_store
from hub.store.migrate import migrate

async def main():
    async with open_store(sys.argv[1]) as store:
        assert await migrate(store)
        assert list(await store.rows("SELECT 1", ())) == [(1,)]

asyncio.run(main())
"""


def test_one_process_on_sqlite_needs_no_extra(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PLAIN, f"sqlite:///{tmp_path}/hub.db"]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
