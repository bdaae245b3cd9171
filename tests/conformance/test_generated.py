"""schemathesis makes operations out of the schema: none breaks the hub, none is refused unsaid."""

import asyncio
import json
import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from graphql import build_client_schema, get_introspection_query, print_schema

from tests.conformance.packages import HERE
from tests.filled import filled
from tests.running import Running

pytestmark = pytest.mark.conformance

ROOT = HERE.parents[1]
# Of each query and mutation on each engine. `make conformance CASES=40` tries 2,000.
CASES = int(os.environ.get("CASES") or 8)
OUTCOMES, REPORT = "outcomes.txt", "report.json"
SEED = os.environ.get("SEED") or "1"


@dataclass(frozen=True, slots=True)
class Fuzzed:
    report: dict[str, Any]
    said: Counter[str]
    shown: str


async def fuzzed(
    folder: Path, hub: Running, key: str, *, cases: int = CASES, only: str = ""
) -> Fuzzed:
    """Let schemathesis ask with a key; by `only`, a single field of the roots."""
    schema = folder / "schema.graphql"
    # Without the directives of federation, which it does not know.
    introspected = await hub.ask(get_introspection_query(), "admin")
    schema.write_text(print_schema(build_client_schema(introspected)))
    (folder / "schemathesis.toml").write_text(f'hooks = "{HERE / "declared.py"}"\n')
    asked = [f"--include-name={only}"] if only else []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", str(schema)),
        *(f"--url={hub.url}/graphql", f"--header=Authorization: Bearer {key}", *asked),
        *(f"--max-examples={cases}", f"--seed={SEED}", "--continue-on-failure", "--no-color"),
        *("--no-shrink", "--report=json", f"--report-json-path={folder / REPORT}"),
        cwd=folder,  # where it keeps what it found
        env=os.environ | {"PYTHONPATH": str(ROOT), "OUTCOMES": str(folder / OUTCOMES)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return read(folder, out.decode())


def read(folder: Path, shown: str) -> Fuzzed:
    outcomes, report = folder / OUTCOMES, folder / REPORT
    assert outcomes.exists(), shown
    assert report.exists(), shown
    return Fuzzed(json.loads(report.read_text()), Counter(outcomes.read_text().splitlines()), shown)


async def test_no_generated_operation_breaks_the_hub_or_is_refused_unsaid(
    database_url: str, tmp_path: Path
) -> None:
    async with filled(database_url) as hub:
        found = await fuzzed(tmp_path, hub, hub.keys["admin"])
    assert found.report["exit_code"] == 0, found.shown
    assert found.report["complete"], found.shown
    tested, cases = found.report["operations"], found.report["test_cases"]
    assert tested["tested"] == tested["total"] == tested["selected"]
    assert cases["generated"] == found.said.total() >= CASES * tested["total"] * 0.9, found.shown
    # What is refused at the door tries nothing behind it; a third is made to be refused.
    assert found.said["ok"] > found.said.total() * 0.25, found.said
    print(f"{cases['generated']} generated:", dict(found.said.most_common()))  # noqa: T201


async def test_what_is_not_declared_is_found(tmp_path: Path) -> None:
    async with filled(f"sqlite:///{tmp_path}/hub.db") as hub:
        found = await fuzzed(tmp_path, hub, "hub_of_nobody", cases=1, only="Query.viewer")
    assert found.report["exit_code"] == 1, found.shown
    titles = {one["title"] for one in found.report["failures"]}
    assert any("errors_are_told" in title for title in titles), titles
    assert "GraphQL client error" in titles
