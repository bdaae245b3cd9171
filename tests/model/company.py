"""Who may see what in the model, said twice: in hub.toml, and as a rule that the hub never reads.

Whatever a signal says it says with its mark, so that what a client was sent tells by itself what of
it must never have been sent.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hub.signals import Classification, Facts

SOURCES = ("alpha", "beta", "gamma")
KINDS = (
    "sales.deal.won",
    "support.ticket.opened",
    "support.escalation",
    "ops.incident.triggered",
    "chat.message",
    "team.idea",
)
BARRIER_KIND = "support.ticket.opened"
LABEL = "vip"  # what some clients filter by
URGENT = "urgent"  # a word that feeds go by
BARRIER = "barrier"  # a word that every feed hears

ENVIRONMENT = {"GAMMA_SECRET": "g" * 32}
# Its mails come in another way here; it is there to be named by a role.
_GAMMA = """
[sources.gamma]
connector = "webhook"
secret = "${GAMMA_SECRET}"
signed = { by = "hmac", header = "X-Signature" }
[sources.gamma.fields]
kind = "team.idea"
id = "$.id"
title = "$.title"
"""

_MARK = re.compile(r"said<(\d)\|([a-z.]+)\|([a-z]+)>")


def mark(classification: int, kind: str, source: str) -> str:
    return f"said<{classification}|{kind}|{source}>"


def marks(text: str) -> Iterator[Facts]:
    """Find what a text of the stream tells, by the marks in it."""
    for classification, kind, source in sorted(set(_MARK.findall(text))):
        yield facts(int(classification), kind, source)


def facts(classification: int, kind: str, source: str) -> Facts:
    """Give facts of which only these three are looked at."""
    return Facts(
        kind=kind,
        department="",
        classification=classification,
        source=source,
        severity=0,
        status="",
        occurred_at="",
    )


@dataclass(frozen=True, slots=True)
class Role:
    """What a role reads, and of what it knows only that it is there."""

    most: Classification = Classification.INTERNAL
    within: tuple[str, ...] = ("",)  # beginnings of kinds
    never: str = "-"  # the beginning of kinds that it never sees
    restricted: tuple[str, ...] = ()
    outlines: Classification | None = None
    threshold: float = 0.0
    urgent: float = 0.5

    def reads(self, what: Facts) -> bool:
        """Judge as docs/access.md says, and not as the hub does it."""
        return self._takes(what, self.most)

    def knows(self, what: Facts) -> bool:
        return self.reads(what) or (
            self.outlines is not None and self._takes(what, self.outlines, restricted=())
        )

    def _takes(
        self, what: Facts, most: Classification, restricted: tuple[str, ...] | None = None
    ) -> bool:
        named = self.restricted if restricted is None else restricted
        is_open = what.classification <= min(most, Classification.CONFIDENTIAL)
        return (
            (is_open or what.source in named)
            and what.kind.startswith(self.within)
            and not what.kind.startswith(self.never)
        )

    def table(self, name: str) -> str:
        """Say the same in hub.toml."""
        kinds = ["*"] if "" in self.within else [f"{one}*" for one in self.within]
        sees = f"kinds = {kinds}\nexcept_kinds = {[] if self.never == '-' else [f'{self.never}*']}"
        outlines = (
            f'[roles.{name}.outlines]\nclassification = "{self.outlines.name.lower()}"\n{sees}\n'
            if self.outlines is not None
            else ""
        )
        return f"""
[roles.{name}]
threshold = {self.threshold}
[roles.{name}.interests]
severity = 0.4
keywords = {{ "{URGENT}" = {self.urgent}, "{BARRIER}" = 1.0 }}
[roles.{name}.sees]
classification = "{self.most.name.lower()}"
restricted = {list(self.restricted)}
{sees}
{outlines}"""


@dataclass(slots=True)
class Company:
    """The roles in force. A reload puts others in force; `moving` is the one that changes."""

    roles: dict[str, Role] = field(
        default_factory=lambda: {
            "wide": Role(Classification.CONFIDENTIAL, restricted=("gamma",)),
            "plain": Role(never="chat.", threshold=0.3),
            "desk": Role(within=("support.",), outlines=Classification.CONFIDENTIAL, threshold=0.2),
            "moving": Role(within=("support.", "sales."), threshold=0.2),
        }
    )

    def move(self, choice: int) -> None:
        """Change what `moving` sees, or what interests it."""
        was = self.roles["moving"]
        changes: tuple[dict[str, Any], ...] = (
            {"most": Classification.CONFIDENTIAL},
            {"most": Classification.PUBLIC},
            {"within": ("support.",)},
            {"within": ("support.", "sales.", "ops.")},
            {"urgent": 0.1 if was.urgent > 0.3 else 0.7},  # what it sees stays as it is
        )
        self.roles["moving"] = replace(was, **changes[choice % len(changes)])

    def write(self, folder: Path) -> None:
        tables = "".join(role.table(name) for name, role in self.roles.items())
        (folder / "hub.toml").write_text("[hub]\ndefault_roles = false\n" + tables + _GAMMA)
