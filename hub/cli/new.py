"""`hub connectors new`: a connector, its twin and its test, which work and are to be changed."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

import re
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.terminal import code, say
from hub.errors import ConfigError

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_IN_A_CHECKOUT = {
    "connector.py": "connectors/{name}.py",
    "twin.py": "connectors/twins/{name}.py",
    "test.py": "tests/connectors/test_{name}.py",
}
_ON_ITS_OWN = {
    "pyproject.toml": "hub-{name}/pyproject.toml",
    "package.py": "hub-{name}/hub_{name}/__init__.py",
    "connector.py": "hub-{name}/hub_{name}/connector.py",
    "twin.py": "hub-{name}/hub_{name}/twin.py",
    "test.py": "hub-{name}/tests/test_{name}.py",
}


def new(
    name: Annotated[str, typer.Argument(help="What hub.toml will call it: a-z, 0-9 and _.")],
) -> None:
    """Write a connector with its twin and test, which reach Silver before they are changed.

    In a checkout of the hub they go beside the others; anywhere else into a package of their own,
    hub-NAME, which is installed beside the hub.
    """
    from importlib.resources import files

    from hub import registry

    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"a connector may not be called {name!r}", "Use a-z, 0-9 and _, and begin with a letter"
        )
    if name in registry.names():
        raise ConfigError(f"there is a connector {name} already", "Choose another name")
    places = _IN_A_CHECKOUT if _is_checkout(Path()) else _ON_ITS_OWN
    targets = {Path(place.format(name=name)): part for part, place in places.items()}
    if taken := [target for target in targets if target.exists()]:
        raise ConfigError(f"{taken[0]} exists already", "Nothing was written; move it away first")
    templates = files("hub.cli.scaffold")
    for target, part in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        text = templates.joinpath(f"{part}.txt").read_text("utf-8")
        target.write_text(_filled(text, name), "utf-8")
        say(f"wrote {target}")
    say()
    if places is _ON_ITS_OWN:
        code(f"  pip install -e hub-{name}    # in the environment of the hub")
    code(f"  hub connectors certify {name} --level silver")


def _is_checkout(folder: Path) -> bool:
    return all((folder / one / "__init__.py").exists() for one in ("hub", "connectors"))


def _filled(text: str, name: str) -> str:
    words = name.split("_")
    names = {
        "NewTitle": " ".join(word.capitalize() for word in words),
        "NewClass": "".join(word.capitalize() for word in words),
        "newname": name,
    }
    return re.sub("|".join(names), lambda found: names[found[0]], text)
