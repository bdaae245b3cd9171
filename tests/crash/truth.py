"""What the sources said, as they said it: what the hub must know in the end."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from hub.config import HUB_SOURCE
from hub.signals import Classification, Status

CANARY = "canary-7f3a"  # in everything confidential, and nowhere else
DELETED = "Deleted at its source"


@dataclass(frozen=True, slots=True)
class Said:
    """One revision of one record."""

    source: str
    record: str
    revision: str
    kind: str
    title: str
    revised_at: datetime
    status: Status = Status.INFORMATION
    classification: Classification = Classification.INTERNAL

    @property
    def shown(self) -> str:
        """Give the title that the hub shows."""
        return DELETED if self.status is Status.DELETED else self.title


@dataclass(slots=True)
class Truth:
    """Everything said so far, in order. `bad`: the records that nobody can read, by source."""

    said: list[Said] = field(default_factory=list)
    bad: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def newest(self) -> dict[tuple[str, str], Said]:
        """Give each record's last revision by the source's clock; of two at once the later."""
        newest: dict[tuple[str, str], Said] = {}
        for one in self.said:
            key = (one.source, one.record)
            if key not in newest or newest[key].revised_at <= one.revised_at:
                newest[key] = one
        return newest

    def revisions(self) -> dict[tuple[str, str, str], Said]:
        return {(one.source, one.record, one.revision): one for one in self.said}


@dataclass(frozen=True, slots=True)
class Listener:
    """An endpoint and its role: what it hears of, by a rule that the hub is not asked for."""

    name: str
    most: Classification = Classification.INTERNAL
    never: str | None = None  # kinds that begin so
    word: str | None = None  # it hears only of what says this
    sources: tuple[str, ...] = ("ledger", "desk")

    def may_see(self, said: Said) -> bool:
        hidden = self.never is not None and said.kind.startswith(self.never)
        is_open = said.classification <= self.most and said.source in self.sources
        return is_open and not hidden

    def hears(self, said: Said) -> bool:
        return self.may_see(said) and (self.word is None or self.word in said.shown)

    def table(self, url: str, secret: str) -> str:
        """Say the same in hub.toml."""
        interests = "severity = 0\n" + (
            f'keywords = {{ "{self.word}" = 0.9 }}' if self.word else ""
        )
        return f"""
[roles.{self.name}]
threshold = {0.5 if self.word else 0.0}
[roles.{self.name}.interests]
{interests}
[roles.{self.name}.sees]
classification = "{self.most.name.lower()}"
except_kinds = {[f"{self.never}*"] if self.never else []}
sources = {list(self.sources)}
[endpoints.{self.name}]
role = "{self.name}"
url = "{url}"
secret = "{secret}"
"""


LISTENERS = (
    Listener("all", most=Classification.CONFIDENTIAL),
    Listener("desk", never="sales."),
    Listener("hasty", word="urgent"),
    Listener("posts", sources=(HUB_SOURCE,), never="hub."),  # what people publish
)
