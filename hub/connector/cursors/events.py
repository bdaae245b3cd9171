"""Family E: a log of events, asked for between two times (PagerDuty, audit trails)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

from hub.connector.clock import now
from hub.connector.cursors.batches import (
    Batch,
    When,
    latest,
    moment,
    times,
    word,
)
from hub.connector.cursors.walk import Walk
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
        walk = Walk.at(cursor, self.cap)
        while True:
            # No short rest: the next poll begins where the last span did, and events come late.
            end = end or (until if until - begin <= self.span + self.lag else begin + self.span)
            batch = await walk.page(partial(ask, begin, end))
            newest = latest(newest, times(batch.records, at))
            if walk.ends(batch):
                if end >= until:
                    rest = self._rest(first, begin, newest)
                    yield Page.read(batch.records, read, {"since": word(rest)})
                    return
                begin, end = end, None
                walk.anew()
            elif walk.at_cap:
                half = (end - begin) / 2
                if half < timedelta(seconds=1):
                    raise SourceMisbehaved(
                        f"{walk.given} events at {word(begin)}, and the rest cannot be asked for"
                    )
                end = begin + half
                walk.anew()
            else:
                walk.on(batch)
            # Between two spans: who resumes here reads again what may have appeared late.
            again = begin if end else max(begin - self.lag, first)
            here = walk.cursor(since=word(again), until=word(end), newest=word(newest))
            yield Page.read(batch.records, read, here, more=True)

    def _rest(self, first: datetime, begin: datetime, newest: datetime | None) -> datetime:
        """Choose where the next poll begins: at the newest event, for the log may be quiet."""
        if begin == first:
            return begin if newest is None else max(begin, newest - self.lag)
        return max(begin, newest or begin) - self.lag
