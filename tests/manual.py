"""Writes docs/connectors.md from the connectors: `make docs`, or with NAME... only those levels.

The levels in it are what certification found; tests/contract/certified compares them.
"""

import asyncio
import inspect
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hub import registry
from hub.cli.form import Setting, form
from hub.cli.terminal import span
from hub.connector import KINDS, Connector
from hub.testing.certify import Certificate, Level, Result, certify
from tests.described import DESCRIPTIONS

MANUAL = Path(__file__).parents[1] / "docs" / "connectors.md"
MANY = 12  # kinds that are still listed

_HEAD = """\
# The connectors

What this hub reads, and what each connector needs. Written by `make docs` from the connectors
themselves. On your machine `hub connectors show NAME` tells the same, with an example for hub.toml.

A **level** is what `hub connectors certify NAME` has shown, against a stand-in of the vendor's API
that plays faults. *Bronze* loads, checks its settings and reads what there is. *Silver* goes on
after a crash, knows what it has read, sees edits, and lives through 401, 429 and 5xx. *Gold* lives
through every fault that its way of asking can meet: short, empty and repeated pages, many changes
in a second, clocks that differ, unknown fields and nulls, 10 MB answers and half ones, links to
other hosts, forgotten cursors. *Platinum* also sees what is deleted or gone, knows what was pushed
and polled as one, and reads recorded answers of the real system whole. What cannot happen at a
vendor counts as shown where the vendor's own page says so.

To write one: [writing-connectors.md](writing-connectors.md). For what vendors push: \
[push.md](push.md).
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the manual says of a certificate."""

    level: str
    lacks: tuple[str, ...]
    """The checks that failed, which are all above the level."""

    @classmethod
    def of(cls, certificate: Certificate) -> "Standing":
        failed = [row.check for row in certificate.rows if row.result is Result.FAILED]
        return cls(certificate.level.name.lower(), tuple(failed))

    def line(self) -> str:
        lacks = f" To {Level.PLATINUM.name.lower()} it lacks: {'; '.join(self.lacks)}."
        return f"- **Level**: {self.level}.{lacks if self.lacks else ''}"


def standings() -> dict[str, Standing]:
    """Read the levels that the manual names now."""
    found: dict[str, Standing] = {}
    text = MANUAL.read_text()
    for name, part in re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL):
        said = re.search(
            r"^- \*\*Level\*\*: (\w+)\.(?: To platinum it lacks: (.*)\.)?$", part, re.MULTILINE
        )
        if said:
            found[name] = Standing(said[1], tuple(said[2].split("; ")) if said[2] else ())
    return found


def manual(levels: Mapping[str, Standing]) -> str:
    names = registry.names()
    parts = [_HEAD, _overview(names, levels)]
    parts += [_section(name, registry.find(name), levels.get(name)) for name in names]
    return "\n".join([*parts, _undescribed(names)])


def _overview(names: Iterable[str], levels: Mapping[str, Standing]) -> str:
    rows = [
        f"| [`{name}`](#{name}) | {_about(registry.find(name))} | "
        f"{_pushes(registry.find(name))} | {levels[name].level if name in levels else '?'} |"
        for name in names
    ]
    return "\n".join(["| name | what it reads | pushes | level |", "|---|---|---|---|", *rows, ""])


def _section(name: str, connector: type[Connector], level: Standing | None) -> str:
    facts = [
        ("Kinds", _kinds(connector.kinds)),
        ("Signs in", connector.sign_in),
        ("Has to be allowed", "; ".join(connector.scopes) or "nothing in particular"),
        ("Limits", connector.limits),
        ("Freshness", f"Asked every {span(connector.every)}. {connector.freshness}".strip()),
        ("Pushes", "Taken, see [push.md](push.md)." if _takes_pushes(connector) else "Not taken."),
    ]
    lines = [f"## `{name}`", "", inspect.cleandoc(_said(connector)), ""]
    lines += [f"- **{what}**: {said}" for what, said in facts]
    lines += [level.line()] if level else []
    return "\n".join([*lines, "", *_settings(form(connector)), ""])


def _said(connector: type[Connector]) -> str:
    """Take what the class says of itself, else what its file does."""
    own = connector.__dict__.get("__doc__")
    return own or sys.modules[connector.__module__].__doc__ or ""


def _about(connector: type[Connector]) -> str:
    said = sys.modules[connector.__module__].__doc__ or _said(connector)
    return inspect.cleandoc(said).partition("\n\n")[0].replace("\n", " ").rstrip(".")


def _kinds(kinds: frozenset[str]) -> str:
    if len(kinds) <= MANY:
        return ", ".join(f"`{kind}`" for kind in sorted(kinds))
    own = {kind for kind in KINDS if not kind.startswith("hub.")}
    assert kinds == own, "a connector of many kinds takes every one that is not the hub's"
    return "any, as it is configured"


def _takes_pushes(connector: type[Connector]) -> bool:
    return connector.verify is not Connector.verify


def _pushes(connector: type[Connector]) -> str:
    return "yes" if _takes_pushes(connector) else ""


def _settings(settings: Iterable[Setting]) -> list[str]:
    rows = [
        f"| `{one.name}` | {one.type} | {_default(one)} | {_cell(one.description)} |"
        for one in settings
    ]
    return ["| setting | type | default | |", "|---|---|---|---|", *rows]


def _default(one: Setting) -> str:
    said = one.default_in_words
    return said if not said or one.required else f"`{_cell(said)}`"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _undescribed(names: Iterable[str]) -> str:
    without = ", ".join(f"`{name}`" for name in names if name not in DESCRIPTIONS)
    return (
        "## Checked against the vendor's own description\n\n"
        "Every stand-in answers the requests of a table that is written down from the vendor's "
        "pages, and refuses all others. Where the vendor publishes a machine-readable description "
        "that can be resolved, our CI checks each request that certification sees against it too: "
        f"{', '.join(f'`{name}`' for name in sorted(DESCRIPTIONS))}. There is none, or none that "
        f"is whole, for {without}.\n"
    )


async def _certified(names: Iterable[str]) -> dict[str, Standing]:
    found = standings() if MANUAL.exists() else {}
    for name in names:
        sys.stderr.write(f"certifying {name}\n")
        found[name] = Standing.of(await certify(name))
    return found


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)  # what certification breaks on purpose
    MANUAL.write_text(manual(asyncio.run(_certified(sys.argv[1:] or registry.names()))), "utf-8")
