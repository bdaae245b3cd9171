"""Family D: the newest first, down to a time (chat histories, searches, news)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from hub.connector.clock import now
from hub.connector.cursors.batches import (
    EXPIRED,
    Batch,
    When,
    earliest,
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

Ask: TypeAlias = Callable[[datetime | None, datetime | None, Json], Awaitable[Batch]]


@dataclass(frozen=True, slots=True)
class NewestFirst:
    """Walks down to where the last walk began; only then the mark moves.

    A walk that is broken off goes on where it was: what lies below is not lost.
    """

    overlap: timedelta = timedelta(minutes=2)
    """Read again each time: what appears late, and what is changed soon after."""
    cap: int | None = None
    """The most records that one question gives: then it is asked for what is older."""

    async def pages(
        self,
        cursor: Cursor,
        ask: Ask,
        at: When,
        *,
        read: Reader,
        since: datetime | None = None,
    ) -> AsyncIterator[Page]:
        """Yield what is new. `ask` gives what lies between two times, both inclusive if they can.

        An API that knows no lower bound may ignore it: the walk ends below it.
        """
        mark = moment(cursor.get("since")) or since
        top, until = moment(cursor.get("top")), moment(cursor.get("until"))
        if self.cap is not None and until is None:
            until = now()  # else what comes meanwhile pushes the oldest out of what is given
        place, given = cursor.get("next"), whole(cursor.get("given"))
        resumed = place is not None  # by an earlier poll, and perhaps long ago
        restarts = whole(cursor.get("restarts"))  # tells a page read again from one that stands
        while True:
            try:
                batch = await ask(mark, until, place)
            except SourceMisbehaved as error:
                if not resumed or error.status not in EXPIRED:
                    raise
                # The place is kept no longer: this walk once more, from its top.
                place, given, resumed = None, 0, False
                restarts += 1
                continue
            resumed = False
            found = times(batch.records, at)
            top, low = latest(top, found), earliest(None, found)
            given += len(batch.records)
            at_cap = self.cap is not None and given >= self.cap
            below = mark is not None and low is not None and low < mark
            if below or (batch.next is None and not at_cap):
                if top is not None:
                    mark = max(top - self.overlap, mark or top - self.overlap)
                end: Cursor = {"since": word(mark)} if mark else {}
                yield Page.read(reversed(batch.records), read, end)
                return
            if at_cap:
                if low is None or (until is not None and low >= until):
                    raise SourceMisbehaved(
                        f"{given} records at {word(until)}, and the rest cannot be asked for"
                    )
                until, place, given = low, None, 0
            else:
                place = moved(place, batch.next)
            here = {
                "since": word(mark),
                "top": word(top),
                "until": word(until),
                "next": place,
                "given": given,
                "restarts": restarts,
            }
            kept = {name: value for name, value in here.items() if value}
            yield Page.read(reversed(batch.records), read, kept, more=True)
