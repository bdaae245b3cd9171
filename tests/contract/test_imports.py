"""Each import contract of pyproject.toml catches a breach: planted in a copy, never believed."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS: Mapping[str, Mapping[str, Any]] = {one["id"]: one for one in SETTINGS["contracts"]}


class Breach(NamedTuple):
    contract: str
    file: str
    code: str
    blamed: str  # what the report says about it


BREACHES = (
    Breach("layers", "hub/store/x_up.py", "import hub.graphql", "hub.store.x_up -> hub.graphql"),
    Breach("layers", "hub/bus/x_peer.py", "from hub import store", "hub.bus.x_peer -> hub.store"),
    Breach("layers", "hub/errors.py", "import hub.signals", "hub.errors -> hub.signals"),
    Breach("layers", "hub/x_unplaced.py", "", "- hub.x_unplaced"),
    Breach("version", "hub/__init__.py", "from hub import errors", "hub -> hub.errors"),
    Breach("sdk", "connectors/x_store.py", "from hub import store", "x_store -> hub.store"),
    Breach("sdk", "connectors/x_env.py", "import hub.settings", "x_env -> hub.settings"),
    Breach("sdk", "connectors/x_own/a.py", "import hub.config", "x_own.a -> hub.config"),
    Breach(
        "independence", "connectors/x_a.py", "from connectors import x_b", "x_a -> connectors.x_b"
    ),
    Breach(
        "independence", "connectors/x_b.py", "import connectors.twins", "x_b -> connectors.twins"
    ),
    Breach("independence", "connectors/twins/x.py", "import connectors.x_b", "x -> connectors.x_b"),
    Breach("names", "hub/poll.py", "from connectors import x_b", "hub.poll -> connectors.x_b"),
    Breach("names", "hub/registry.py", "import connectors", "hub.registry -> connectors"),
    Breach("strawberry", "hub/route.py", "import strawberry", "hub.route -> strawberry"),
    Breach("strawberry", "hub/web/x.py", "from graphql import parse", "hub.web.x -> graphql"),
    Breach("starlette", "hub/live/x.py", "import starlette.requests", "hub.live.x -> starlette"),
    Breach("starlette", "connectors/x_c.py", "import starlette", "connectors.x_c -> starlette"),
    Breach("uvicorn", "hub/work.py", "import uvicorn", "hub.work -> uvicorn"),
    Breach("database", "hub/ingest/x.py", "import sqlmodel", "hub.ingest.x -> sqlmodel"),
    Breach("database", "hub/runtime.py", "import asyncpg", "hub.runtime -> asyncpg"),
    Breach("database", "hub/config.py", "def f():\n    import sqlite3", "hub.config -> sqlite3"),
    Breach("redis", "hub/bus/local.py", "import redis", "hub.bus.local -> redis"),
    Breach("arq", "hub/jobs/local.py", "import arq", "hub.jobs.local -> arq"),
    Breach("prometheus", "hub/live/y.py", "import prometheus_client", "y -> prometheus_client"),
    Breach("traces", "hub/live/z.py", "from opentelemetry import trace", "z -> opentelemetry"),
    Breach("http", "connectors/x_d.py", "import httpx2", "connectors.x_d -> httpx2"),
    Breach("imap", "connectors/x_e.py", "import imaplib", "connectors.x_e -> imaplib"),
    Breach("calendars", "connectors/x_g.py", "import icalendar", "connectors.x_g -> icalendar"),
    Breach("jsonpath", "connectors/x_f.py", "import jsonpath", "connectors.x_f -> jsonpath"),
    Breach("cryptography", "hub/web/y.py", "import cryptography", "hub.web.y -> cryptography"),
    Breach("jwt", "hub/web/z.py", "import jwt", "hub.web.z -> jwt"),
    Breach("http", "hub/deliver/x.py", "import httpx", "hub.deliver.x -> httpx"),
)


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [command, "--no-logo", "--no-cache", "pyproject.toml"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )


def copy_to(tree: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tree)
    for package in SETTINGS["root_packages"]:
        shutil.copytree(
            ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__", "static")
        )


def plant(tree: Path, file: str, code: str) -> None:
    """Append the code; a package that does not exist yet is made."""
    path = tree / file
    for folder in path.relative_to(tree).parents:
        (tree / folder).mkdir(exist_ok=True, parents=True)
        if folder != Path():
            (tree / folder / "__init__.py").touch()
    with path.open("a") as source:
        source.write(f"\n{code}\n")


@pytest.fixture(scope="module")
def blamed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Plant every breach in one copy; return what is said about each broken contract."""
    tree = tmp_path_factory.mktemp("breached")
    copy_to(tree)
    for package in ("hub/graphql", "hub/store"):
        plant(tree, f"{package}/__init__.py", "")
    for breach in BREACHES:
        plant(tree, breach.file, breach.code)
    said = lint_imports(tree)
    assert said.returncode == 1, said.stdout + said.stderr
    report = said.stdout.partition("Broken contracts")[2]
    names = {one["name"]: one["id"] for one in CONTRACTS.values()}
    parts = re.split(r"^(.+)\n-{3,}$", report, flags=re.MULTILINE)
    return {
        names[title]: text
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
        if title in names
    }


@pytest.mark.parametrize("breach", BREACHES, ids=lambda one: f"{one.contract}: {one.blamed}")
def test_a_breach_is_caught_by_its_contract(breach: Breach, blamed: Mapping[str, str]) -> None:
    assert breach.blamed in " ".join(blamed[breach.contract].split())


def test_no_contract_goes_untried() -> None:
    assert {breach.contract for breach in BREACHES} == set(CONTRACTS)


def test_the_code_as_it_is_keeps_every_contract(tmp_path: Path) -> None:
    copy_to(tmp_path)
    said = lint_imports(tmp_path)
    assert f"{len(CONTRACTS)} kept, 0 broken" in said.stdout, said.stdout + said.stderr
