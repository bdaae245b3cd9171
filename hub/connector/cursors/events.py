"""Family E: a log of events, asked for between two times (PagerDuty, audit trails)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from hub.connector.clock import now
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

Ask: TypeAlias = Callable[[datetime, datetime, Json], Awaitable[Batch]]


@dataclass(frozen=True, slots=True)
class EventLog:
    """Reads one closed span of time after another, each to its end.

    An event is written once; that it is told twice, at the seam of two spans, does no harm.
    """

    lag: timedelta = timedelta(minutes=2)
    """How late an event may appear in the log: so much is read again."""
    span: timedelta = timedelta(days=7)
    """The longest time to ask for at once."""
    cap: int | None = None
    """The most events that one span can be paged through: then half of it is asked for."""

    async def pages(
        self, cursor: Cursor, ask: Ask, at: When, *, read: Reader, since: datetime
    ) -> AsyncIterator[Page]:
        """Yield the events after the last ones seen; the first sync begins at `since`."""
        until = now()
        begin = first = min(moment(cursor.get("since")) or since, until)
        end = moment(cursor.get("until"))
        newest = moment(cursor.get("newest"))
        place, given = cursor.get("next"), whole(cursor.get("given"))
        resumed = place is not None  # by an earlier poll, and perhaps long ago
        restarts = whole(cursor.get("restarts"))  # tells a page read again from one that stands
        while True:
            # No short rest: the next poll begins where the last span did, and events come late.
            end = end or (until if until - begin <= self.span + self.lag else begin + self.span)
            try:
                batch = await ask(begin, end, place)
            except SourceMisbehaved as error:
                if not resumed or error.status not in EXPIRED:
                    raise
                place, given, resumed = None, 0, False
                restarts += 1
                continue
            resumed = False
            newest = latest(newest, times(batch.records, at))
            given += len(batch.records)
            at_cap = self.cap is not None and given >= self.cap
            if batch.next is None and not at_cap:
                if end >= until:
                    rest = self._rest(first, begin, newest)
                    yield Page.read(batch.records, read, {"since": word(rest)})
                    return
                begin, end, place, given = end, None, None, 0
            elif at_cap:
                half = (end - begin) / 2
                if half < timedelta(seconds=1):
                    raise SourceMisbehaved(
                        f"{given} events at {word(begin)}, and the rest cannot be asked for"
                    )
                end, place, given = begin + half, None, 0
            else:
                place = moved(place, batch.next)
            here = {
                # Between two spans: who resumes here reads again what may have appeared late.
                "since": word(begin if end else max(begin - self.lag, first)),
                "until": word(end),
                "newest": word(newest),
                "next": place,
                "given": given,
                "restarts": restarts,
            }
            kept = {name: value for name, value in here.items() if value}
            yield Page.read(batch.records, read, kept, more=True)

    def _rest(self, first: datetime, begin: datetime, newest: datetime | None) -> datetime:
        """Choose where the next poll begins: at the newest event, for the log may be quiet."""
        if begin == first:
            return begin if newest is None else max(begin, newest - self.lag)
        return max(begin, newest or begin) - self.lag
