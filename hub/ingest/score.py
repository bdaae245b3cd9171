"""Signal or noise: puts beside each version how much it matters to each role."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from hub import traces
from hub.ingest.enrich import Version
from hub.route import Router
from hub.signals import ChangeType, Outcome, Relevance, Status


@dataclass(frozen=True, slots=True)
class Scored:
    version: Version
    audience: tuple[Relevance, ...]


@traces.step
def score(
    versions: Sequence[Version], router: Router, notify_after: datetime | None
) -> list[Scored]:
    """Judge every version for every role; what only joins the history concerns nobody.

    Nor does a record that was deleted before the hub ever read it: it is kept, so that an older
    revision that comes late does not bring it back, and nobody is told.
    """
    return [Scored(one, _audience(one, router, notify_after)) for one in versions]


def _audience(
    version: Version, router: Router, notify_after: datetime | None
) -> tuple[Relevance, ...]:
    if version.type is ChangeType.HISTORY:
        return ()
    found = router.audience(version.signal, notify_after)
    if version.was is None and version.signal.status is Status.DELETED:
        return tuple(
            one
            if one.outcome is Outcome.NOT_PERMITTED
            else replace(one, score=0.0, reasons=(), outcome=Outcome.BELOW_THRESHOLD)
            for one in found
        )
    return tuple(found)
