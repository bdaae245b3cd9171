"""Family C: ids that grow (Mastodon, Discord, mailing lists, RT's transactions)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from hub.connector.clock import now
from hub.connector.cursors.batches import Batch, When, times
from hub.connector.drafts import Cursor, Page, Reader
from hub.errors import SourceMisbehaved
from hub.signals import Json

Ask: TypeAlias = Callable[[str | None], Awaitable[Batch]]
Complete: TypeAlias = Callable[[Sequence[Any]], Awaitable[Iterable[Any]]]


@dataclass(frozen=True, slots=True)
class IdWatermark:
    """Asks for what follows the greatest id seen, compared as a number: "9" comes before "10".

    Nothing tells of edits and deletions: a connector that wants them looks again.
    """

    settling: timedelta = timedelta(0)
    """How long an id may stay hidden while greater ones show: a database numbers rows before it
    commits them. What is younger, as `at` tells, is asked for again at the next poll."""

    async def pages(
        self,
        cursor: Cursor,
        ask: Ask,
        name: Callable[[Any], str],
        *,
        read: Reader,
        start: str | None = None,
        at: When | None = None,
        complete: Complete | None = None,
    ) -> AsyncIterator[Page]:
        """Yield what follows. `ask` gives the records right after an id; `name` is a record's.

        `start` is where the first sync begins; None leaves it to `ask`. `complete` is handed what
        is new of a page, by id, and gives the records to read: what has to be looked up for them.
        """
        mark = _Mark.of(cursor, start)
        after, told, new = mark.settled, cursor, list[Any]()
        while True:
            asked = now()
            batch = await ask(None if after is None else str(after))
            numbered = sorted(
                ((_number(name, record), record) for record in batch.records),
                key=lambda one: one[0] or 0,
            )
            more = batch.next is not None
            newest = max((number for number, _ in numbered if number is not None), default=None)
            if more and (newest is None or (after is not None and newest <= after)):
                raise SourceMisbehaved(f"more is said to follow {after}, and nothing new came")
            after = max((one for one in (after, newest) if one is not None), default=None)
            new += [record for number, record in numbered if number not in mark.read]
            for number, record in numbered:
                if number is not None:
                    mark.pass_by(number, record, at, asked - self.settling)
            # Where all of a page was known, the cursor stays: what follows goes with it.
            if (here := mark.cursor()) != told or not more:
                whole = await complete(new) if complete and new else new
                yield Page.read(whole, read, here, more=more)
                told, new = here, []
            if not more:
                return


@dataclass(slots=True)
class _Mark:
    """Up to `settled` all is read, and of the ids above it those in `read`."""

    settled: int | None
    read: set[int] = field(default_factory=set)
    waiting: bool = False
    """A young record was met: an id that is still hidden may lie above it, so nothing there is
    passed in this walk, though its neighbours grow old while their pages are read."""

    @classmethod
    def of(cls, cursor: Cursor, start: str | None) -> "_Mark":
        after, read = cursor.get("after", start), cursor.get("read")
        return cls(
            None if after is None else int(str(after)),
            {one for one in read if isinstance(one, int)} if isinstance(read, list) else set(),
        )

    def pass_by(self, number: int, record: Any, at: When | None, young: datetime) -> None:
        made = times([record], at) if at else [young]
        self.waiting = self.waiting or any(one > young for one in made)
        if made and not self.waiting:
            self.settled = max(number, self.settled or number)
            self.read = {one for one in self.read if one > number}
        elif self.settled is None or number > self.settled:
            self.read.add(number)  # one without a time is passed with the next that has one

    def cursor(self) -> Cursor:
        kept: dict[str, Json] = {}
        if self.settled is not None:
            kept["after"] = str(self.settled)
        if self.read:
            kept["read"] = list[Json](sorted(self.read))
        return kept


def _number(name: Callable[[Any], str], record: Any) -> int | None:
    try:
        return int(name(record))
    except (LookupError, TypeError, ValueError, AttributeError):
        return None  # set aside when it is read
