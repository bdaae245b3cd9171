"""Family A: sorted by time of change, oldest first (CRMs, trackers, WordPress, OData)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from hub.connector.cursors.batches import (
    EXPIRED,
    Batch,
    When,
    latest,
    moment,
    moved,
    times,
    whole,
    word,
)
from hub.connector.drafts import Cursor, Page, Reader
from hub.errors import SourceMisbehaved
from hub.signals import Json

Ask: TypeAlias = Callable[[datetime | None, Json], Awaitable[Batch]]


@dataclass(frozen=True, slots=True)
class ModifiedSince:
    """Asks from a while before the newest change that was seen, and is told some things twice.

    The bound is inclusive, for several records share a moment; what was stored is known again.
    """

    overlap: timedelta = timedelta(minutes=2)
    """At least the lag of the vendor's index and the time that a change may take to appear."""
    cap: int | None = None
    """The most records that one question can be paged through: then it is asked anew from the
    newest one seen."""
    moving: bool = False
    """Pages are counted by number or offset, so a change while they are read moves a record from
    an unread page to a read one. Then each page is asked from the newest change seen; only where
    a whole page shares one moment is it counted on, and what slips there is left to `overlap`."""

    async def pages(
        self,
        cursor: Cursor,
        ask: Ask,
        changed: When,
        *,
        read: Reader,
        since: datetime | None = None,
    ) -> AsyncIterator[Page]:
        """Yield what changed. `ask` gives what changed at or after a time, None from the start."""
        begin = moment(cursor.get("since")) or since
        window = moment(cursor.get("window")) or begin
        newest = moment(cursor.get("newest"))
        place, given = cursor.get("next"), whole(cursor.get("given"))
        resumed = place is not None  # by an earlier poll, and perhaps long ago
        restarts = whole(cursor.get("restarts"))  # tells a page read again from one that stands
        while True:
            try:
                batch = await ask(window, place)
            except SourceMisbehaved as error:
                if not resumed or error.status not in EXPIRED:
                    raise
                # The place is kept no longer: this window once more.
                place, given, resumed = None, 0, False
                restarts += 1
                continue
            resumed = False
            found = times(batch.records, changed)
            newest, furthest = latest(newest, found), max(found, default=None)
            given += len(batch.records)
            at_cap = self.cap is not None and given >= self.cap
            if batch.next is None and not at_cap:
                if newest is not None:
                    begin = max(newest - self.overlap, begin or newest - self.overlap)
                end: Cursor = {"since": word(begin)} if begin else {}
                yield Page.read(batch.records, read, end)
                return
            if (at_cap or self.moving) and furthest and (window is None or furthest > window):
                # Within this walk also a time to come: the vendor's clock may be ahead of ours.
                window, place, given = furthest, None, 0
            elif at_cap:
                raise SourceMisbehaved(
                    f"{given} records changed at {word(window)}, and the rest cannot be asked for"
                )
            else:
                place = moved(place, batch.next)
            here = {
                "since": word(begin),
                "window": word(window),
                "newest": word(newest),
                "next": place,
                "given": given,
                "restarts": restarts,
            }
            kept = {name: value for name, value in here.items() if value}
            yield Page.read(batch.records, read, kept, more=True)
