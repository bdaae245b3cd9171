"""Signal or noise: puts beside each version how much it matters to each role."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.ingest.enrich import Version
from hub.route import Router
from hub.signals import ChangeType, Relevance


@dataclass(frozen=True, slots=True)
class Scored:
    version: Version
    audience: tuple[Relevance, ...]


def score(
    versions: Sequence[Version], router: Router, notify_after: datetime | None
) -> list[Scored]:
    """Judge every version for every role; what only joins the history concerns nobody."""
    return [
        Scored(
            version,
            ()
            if version.type is ChangeType.HISTORY
            else tuple(router.audience(version.signal, notify_after)),
        )
        for version in versions
    ]
