"""Family A: sorted by time of change, oldest first (CRMs, trackers, WordPress, OData)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

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

Ask: TypeAlias = Callable[[datetime | None, Json], Awaitable[Batch]]
AskAt: TypeAlias = Callable[[datetime, Json], Awaitable[Batch]]


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
    tick: timedelta = timedelta(milliseconds=1)
    """How finely this vendor tells times apart; only `at` asks for it."""

    async def pages(
        self,
        cursor: Cursor,
        ask: Ask,
        changed: When,
        *,
        read: Reader,
        since: datetime | None = None,
        at: AskAt | None = None,
    ) -> AsyncIterator[Page]:
        """Yield what changed. `ask` gives what changed at or after a time, None from the start.

        `at` gives what changed at one moment and no other, in an order that no change moves (by
        id): so is read what shares a moment and is more than a page, or than the cap.
        """
        begin = moment(cursor.get("since")) or since
        window = moment(cursor.get("window")) or begin
        newest = moment(cursor.get("newest"))
        tied = bool(cursor.get("tied")) and at is not None and window is not None
        walk = Walk.at(cursor, self.cap)
        while True:
            if tied and at is not None and window is not None:
                batch = await walk.page(partial(at, window))
            else:
                batch = await walk.page(partial(ask, window))
            found = times(batch.records, changed)
            newest, furthest = latest(newest, found), max(found, default=None)
            if tied and window is not None:
                if batch.next is None:  # all of this moment is read
                    window, tied = window + self.tick, False
                    walk.anew()
                else:
                    walk.on(batch)
            elif walk.ends(batch):
                if newest is not None:
                    begin = max(newest - self.overlap, begin or newest - self.overlap)
                end: Cursor = {"since": word(begin)} if begin else {}
                yield Page.read(batch.records, read, end)
                return
            elif (
                furthest and (walk.at_cap or self.moving) and (window is None or furthest > window)
            ):
                # Within this walk also a time to come: the vendor's clock may be ahead of ours.
                window = furthest
                walk.anew()
            elif at and furthest and furthest == window and (walk.at_cap or self.moving):
                tied = True
                walk.anew()
            elif walk.at_cap:
                raise SourceMisbehaved(
                    f"{walk.given} records changed at {word(window)}, "
                    "and the rest cannot be asked for"
                )
            else:
                walk.on(batch)
            here: dict[str, Json] = {
                **walk.cursor(since=word(begin), window=word(window), newest=word(newest)),
                **({"tied": True} if tied else {}),
            }
            yield Page.read(batch.records, read, here, more=True)
