"""What was put in force is recognised by the next process, whose sets have another order."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio
from hub.config import read_config
from hub.snapshot import put_in_force
from hub.store import open_store
from hub.store.migrate import migrate
from hub.store.snapshots import applied

TOML = '''
[sources.tickets]
connector = "zendesk"
url = "https://tickets.example"
token = "secret"
escalation_tags = ["a", "b", "c", "d", "e", "f"]
'''

async def main():
    async with open_store("sqlite:///hub.db") as store:
        await migrate(store)
        await put_in_force(store, read_config(TOML, {}))
        async with store.read() as connection:
            rows = await connection.exec_driver_sql("SELECT fingerprint FROM sources ORDER BY name")
            print(await applied(connection, "roles"), [row[0] for row in rows])

asyncio.run(main())
"""


def fingerprints(folder: Path, seed: int) -> str:
    """Put one configuration in force in a process with another order of sets."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.processes
def test_a_restart_is_no_change_of_roles_or_sources(tmp_path: Path) -> None:
    first = fingerprints(tmp_path, 1)
    assert "secret" not in first
    assert [fingerprints(tmp_path, seed) for seed in (2, 3)] == [first, first]
