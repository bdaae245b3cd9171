"""Programs in Node, and what they need of its world: installed once for each package.json."""

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
INSTALLED = HERE.parents[1] / "build" / "conformance"


def installed() -> Path:
    """Give the folder of the packages, from whichever registry npm is set to use."""
    wanted, kept = HERE / "package.json", INSTALLED / "package.json"
    modules = INSTALLED / "node_modules"
    if not modules.exists() or not kept.exists() or kept.read_text() != wanted.read_text():
        INSTALLED.mkdir(parents=True, exist_ok=True)
        kept.unlink(missing_ok=True)
        given = INSTALLED / "wanted"
        given.mkdir(exist_ok=True)
        shutil.copy(wanted, given / "package.json")
        quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
        subprocess.run(["npm", "install", *quiet], cwd=given, check=True, timeout=300)
        shutil.rmtree(modules, ignore_errors=True)
        (given / "node_modules").rename(modules)
        shutil.copy(wanted, kept)  # last: what was interrupted is installed again
    return modules


async def told(program: str, *given: str) -> list[dict[str, Any]]:
    """Run a program of this folder beside the hub, and give the lines of JSON it prints."""
    process = await asyncio.create_subprocess_exec(
        "node", HERE / program, *given,
        # urql asks elsewhere for the operation that a document without a text cannot have.
        env=os.environ | {"NODE_PATH": str(installed()), "NODE_ENV": "production"},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, out
    return [json.loads(line) for line in out.splitlines()]
