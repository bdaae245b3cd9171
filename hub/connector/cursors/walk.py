"""Paging through the answers to one question, and going on with it in a later poll."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

from hub.connector.cursors.batches import EXPIRED, Batch, moved, whole
from hub.connector.drafts import Cursor
from hub.errors import SourceMisbehaved
from hub.signals import Json


@dataclass(slots=True)
class Walk:
    """The place of the next page, and how many records the question has given so far."""

    place: Json
    given: int
    cap: int | None
    resumed: bool
    """The place is of an earlier poll, and perhaps of long ago."""
    restarts: int
    """Tells a page that is read again from a cursor that does not move."""

    @classmethod
    def at(cls, cursor: Cursor, cap: int | None) -> Self:
        place = cursor.get("next")
        given, restarts = whole(cursor.get("given")), whole(cursor.get("restarts"))
        return cls(place, given, cap, place is not None, restarts)

    async def page(self, ask: Callable[[Json], Awaitable[Batch]]) -> Batch:
        """Ask for the next page; where its place is kept no longer, for the first one again."""
        try:
            batch = await ask(self.place)
        except SourceMisbehaved as error:
            if not self.resumed or error.status not in EXPIRED:
                raise
            self.anew()
            self.restarts += 1
            batch = await ask(None)
        self.resumed = False
        self.given += len(batch.records)
        return batch

    @property
    def at_cap(self) -> bool:
        return self.cap is not None and self.given >= self.cap

    def ends(self, batch: Batch) -> bool:
        """Tell whether nothing follows; at the cap there may be more that is not said."""
        return batch.next is None and not self.at_cap

    def on(self, batch: Batch) -> None:
        self.place = moved(self.place, batch.next)

    def anew(self) -> None:
        """Begin another question."""
        self.place, self.given = None, 0

    def cursor(self, **times: str | None) -> Cursor:
        """Write where a later poll goes on: here, in the question that these times make."""
        here = {**times, "next": self.place, "given": self.given, "restarts": self.restarts}
        return {name: value for name, value in here.items() if value}
