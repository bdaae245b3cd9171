"""schema.graphql is what the code says: whoever reviews a change sees what changes for users."""

import subprocess
import sys
from difflib import unified_diff
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_schema_graphql_is_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hub", "schema"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    kept = (ROOT / "schema.graphql").read_text()
    diff = unified_diff(
        kept.splitlines(), done.stdout.splitlines(), "schema.graphql", "the code", lineterm=""
    )
    assert done.stdout == kept, "\n".join(["run `make schema`, and commit it:", *diff])
    assert done.stderr == ""
