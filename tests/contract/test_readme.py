"""README's Life of a signal names what there is, in the order it happens."""

import importlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"`((?:hub|connectors)/[\w/]+\.py): ([\w.]+)`")


def test_every_name_in_the_life_of_a_signal_resolves() -> None:
    text = (ROOT / "README.md").read_text()
    life = text.partition("## Life of a signal")[2].partition("\n## ")[0]
    steps = re.findall(r"^\d+\. ", life, re.MULTILINE)
    names = NAME.findall(life)
    assert len(steps) == 8
    assert len(names) >= 8
    for path, name in names:
        assert (ROOT / path).is_file(), path
        module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        found: object = importlib.import_module(module)
        for part in name.split("."):
            assert hasattr(found, part), f"{path}: {name}"
            found = getattr(found, part)


def test_readme_is_short_enough_to_be_read() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def test_every_file_that_readme_links_to_exists() -> None:
    text = (ROOT / "README.md").read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
