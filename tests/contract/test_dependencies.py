"""docs/dependencies.md, pyproject.toml, requirements.lock and the code name the same packages."""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import metadata, packages_distributions
from pathlib import Path

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# What packages write where an SPDX expression belongs.
SPELLINGS = {
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "PSFL": "PSF-2.0",
}


def requirements(title: str) -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"]
    asked: dict[str, Iterable[str]] = {
        "At run time": PROJECT["project"]["dependencies"],
        "Extras": [one for extra in extras.values() for one in extra],
        "To develop": PROJECT["dependency-groups"]["dev"],
    }
    return [Requirement(one) for one in asked[title]]


def table(title: str) -> dict[str, str]:
    """Read one table of the page: package -> licence. A row out of order fails."""
    text = (ROOT / "docs" / "dependencies.md").read_text()
    section = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    found = {row[0].strip(): row[2].strip() for row in rows[1:]}
    assert list(found) == sorted(found)
    assert all(len(row) == 4 and all(cell.strip() for cell in row) for row in rows)
    return found


def licence(package: str) -> str:
    about = metadata(package).json
    classifiers = [one for one in about.get("classifier", ()) if one.startswith("License :: OSI")]
    said = str(about.get("license_expression") or about.get("license") or classifiers[0])
    said = said.rpartition(" :: ")[2]
    return SPELLINGS.get(said, said)


def locked() -> Iterator[Requirement]:
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            yield Requirement(line.removesuffix("\\"))


@pytest.mark.parametrize("title", ["At run time", "Extras", "To develop"])
def test_the_page_names_what_the_project_asks_for(title: str) -> None:
    assert set(table(title)) == {canonicalize_name(one.name) for one in requirements(title)}


@pytest.mark.parametrize("title", ["At run time", "Extras", "To develop"])
def test_the_page_tells_the_licence_that_the_package_declares(title: str) -> None:
    told = table(title)
    assert told == {package: licence(package) for package in told}


def test_what_the_code_imports_is_asked_for() -> None:
    graph = grimp.build_graph("hub", "connectors", include_external_packages=True, cache_dir=None)
    imported = {name for name in graph.modules if graph.is_module_squashed(name)}
    foreign = imported - set(sys.stdlib_module_names) - {"hub", "connectors"}
    homes = packages_distributions()
    asked = {
        canonicalize_name(one.name)
        for title in ("At run time", "Extras")
        for one in requirements(title)
    }
    assert foreign
    for module in sorted(foreign):
        assert asked & {canonicalize_name(home) for home in homes.get(module, [])}, module


def test_the_lock_satisfies_the_project() -> None:
    pins = {canonicalize_name(one.name): one for one in locked()}
    for title in ("At run time", "Extras", "To develop"):
        for wanted in requirements(title):
            pin = pins[canonicalize_name(wanted.name)]
            [exact] = pin.specifier
            assert wanted.specifier.contains(Version(exact.version)), f"{wanted} but {pin}"


def test_every_pin_has_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(list(locked()))
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


def test_the_lock_names_no_index() -> None:
    """It installs from whichever index, mirror or folder of wheels the reader uses."""
    text = (ROOT / "requirements.lock").read_text()
    assert not re.search(
        r"://|--(index-url|extra-index-url|find-links)| @ |^-e ", text, re.MULTILINE
    )
