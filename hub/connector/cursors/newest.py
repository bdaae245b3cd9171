"""Family D: the newest first, down to a time (chat histories, searches, news)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

from hub.connector.clock import now
from hub.connector.cursors.batches import (
    Batch,
    When,
    earliest,
    latest,
    moment,
    times,
    word,
)
from hub.connector.cursors.walk import Walk
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
        walk = Walk.at(cursor, self.cap)
        while True:
            batch = await walk.page(partial(ask, mark, until))
            found = times(batch.records, at)
            top, low = latest(top, found), earliest(None, found)
            below = mark is not None and low is not None and low < mark
            if below or walk.ends(batch):
                if top is not None:
                    mark = max(top - self.overlap, mark or top - self.overlap)
                end: Cursor = {"since": word(mark)} if mark else {}
                yield Page.read(reversed(batch.records), read, end)
                return
            if walk.at_cap:
                if low is None or (until is not None and low >= until):
                    raise SourceMisbehaved(
                        f"{walk.given} records at {word(until)}, and the rest cannot be asked for"
                    )
                until = low
                walk.anew()
            else:
                walk.on(batch)
            here = walk.cursor(since=word(mark), top=word(top), until=word(until))
            yield Page.read(reversed(batch.records), read, here, more=True)
