"""Family C: ids that grow (Mastodon, Discord, mailing lists)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from hub.connector.cursors.batches import Batch
from hub.connector.drafts import Cursor, Page, Reader
from hub.errors import SourceMisbehaved

Ask: TypeAlias = Callable[[str | None], Awaitable[Batch]]


@dataclass(frozen=True, slots=True)
class IdWatermark:
    """Asks for what follows the greatest id seen, compared as a number: "9" comes before "10".

    Nothing tells of edits and deletions: a connector that wants them looks again.
    """

    async def pages(
        self,
        cursor: Cursor,
        ask: Ask,
        name: Callable[[Any], str],
        *,
        read: Reader,
        start: str | None = None,
    ) -> AsyncIterator[Page]:
        """Yield what follows. `ask` gives the records right after an id; `name` is a record's.

        `start` is where the first sync begins; None leaves it to `ask`.
        """
        after = cursor.get("after")
        after = str(after) if after is not None else start
        while True:
            batch = await ask(after)
            found = {_number(name, record): record for record in batch.records}
            found.pop(None, None)
            more = batch.next is not None
            newest = max((*filter(None, found), *([int(after)] if after else [])), default=None)
            if more and (newest is None or (after is not None and newest <= int(after))):
                raise SourceMisbehaved(f"more is said to follow {after}, and nothing new came")
            after = None if newest is None else str(newest)
            records = sorted(batch.records, key=lambda record: _number(name, record) or 0)
            yield Page.read(records, read, {"after": after} if after else {}, more=more)
            if not more:
                return


def _number(name: Callable[[Any], str], record: Any) -> int | None:
    try:
        return int(name(record))
    except (LookupError, TypeError, ValueError, AttributeError):
        return None  # set aside when it is read
