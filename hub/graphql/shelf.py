"""What changed, read once for every stream of a process.

Fifty documents that tell of the same change need the same signal. It is read without a viewer,
together with those of the changes that come next; who asks is shown of it what access lets it see,
judged by the same rule in memory. Nothing stays: what was erased since is not told from here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Final, Generic, TypeVar

from hub.access import Always
from hub.live import Tail
from hub.signals import Relevance, Signal
from hub.store import Store
from hub.store.log import Change
from hub.store.relevance import relevance_of
from hub.store.signals import by_ids

AT_ONCE: Final = 64  # changes whose signals are read together
SECONDS: Final = 1.0  # that they are kept

Item = TypeVar("Item")


class _Row(Generic[Item]):
    """One kind of thing, by the number of the change that it was read after."""

    def __init__(
        self, tail: Tail, read: Callable[[Sequence[str]], Awaitable[Mapping[str, Item]]]
    ) -> None:
        self._tail = tail
        self._read = read
        self._kept: dict[int, Item | None] = {}
        self._until = 0.0
        self._turn = asyncio.Lock()

    async def of(self, change: Change) -> Item | None:
        if monotonic() < self._until and change.seq in self._kept:
            return self._kept[change.seq]
        async with self._turn:  # of many who come for the same, one reads
            if monotonic() >= self._until or change.seq not in self._kept:
                await self._fill(change)
            return self._kept[change.seq]

    async def _fill(self, change: Change) -> None:
        after = [one for one in self._tail.recent if one.seq > change.seq]
        wanted = [change, *after[: AT_ONCE - 1]]
        found = await self._read([one.signal_id for one in wanted])
        # What others need still goes as well: all of it was read at another time.
        self._kept = {one.seq: found.get(one.signal_id) for one in wanted}
        self._until = monotonic() + SECONDS


class Shelf:
    def __init__(self, store: Store, tail: Tail) -> None:
        async def signals(ids: Sequence[str]) -> Mapping[str, Signal]:
            async with store.read() as connection:
                return await by_ids(connection, ids, Always())

        async def relevances(ids: Sequence[str]) -> Mapping[str, Mapping[str, Relevance]]:
            async with store.read() as connection:
                found = await relevance_of(connection, ids)
            return {id_: {one.role: one for one in some} for id_, some in found.items()}

        self.signals = _Row(tail, signals)
        self.relevances = _Row(tail, relevances)
