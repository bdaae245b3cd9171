"""Installs what the checks need of Node's world, once for each change of package.json."""

import shutil
import subprocess
from pathlib import Path

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
