"""What is young is looked at again: what an API tells nobody, it shows by what is missing."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from hub.connector.clock import now
from hub.connector.cursors.batches import Batch, word
from hub.connector.drafts import Cursor, Draft, Page, Reader
from hub.connector.text import utc
from hub.signals import Json, Status

Ask: TypeAlias = Callable[..., Awaitable[Batch]]
Walk: TypeAlias = Callable[[Cursor, Ask, Reader], AsyncIterator[Page]]
There: TypeAlias = Callable[[Sequence[str]], Awaitable[Collection[str]]]
_REPEATED = {"kind", "external_id", "revision", "occurred_at", "classification", "thread"}


@dataclass(frozen=True, slots=True)
class Recent:
    """Wraps a family that reads its newest part again, and tells what is no longer in it.

    Of each young record the cursor keeps the names of its signals. Where a whole walk from below
    it does not bring it, they are deleted; where it comes back, for a search index can lose a
    record for a while, they are told anew.
    """

    within: timedelta
    """How much older than the newest record a young one is."""
    most: int = 200
    """How many are watched at once: of a busy list only the youngest."""

    async def pages(
        self,
        cursor: Cursor,
        ask: Ask,
        walk: Walk,
        *,
        name: Callable[[Any], str],
        at: Callable[[Any], datetime],
        read: Reader,
        again: Callable[[str, datetime], Cursor] | None = None,
        there: There | None = None,
    ) -> AsyncIterator[Page]:
        """Yield the pages of `walk`, which hands the cursor, `ask` and `read` to its family.

        `ask` is first told where to begin: at a time, as `at` tells it, or after an id, as `name`
        does. `again` makes the family's cursor for a new walk, which begins with this name, or at
        this time where names tell it; without it the family has an overlap itself, of `within`.
        `there` tells which signals exist, of those that a list lacks which need not hold all.
        """
        watch = _Watch(self, cursor, ask, read, name, at)
        begin = watch.place
        if again and watch.known and not watch.walking:
            begin = again(min(watch.known, key=int), watch.newest() - self.within)
        async for page in walk(begin, watch.ask, watch.read):
            gone = [] if page.more else await watch.end(there)
            yield Page([*page.drafts, *gone], watch.cursor(page.cursor), page.bad, page.more)


class _Watch:
    """One walk: where it began, and what it has still to bring of what was known before."""

    def __init__(
        self,
        recent: Recent,
        cursor: Cursor,
        ask: Ask,
        read: Reader,
        name: Callable[[Any], str],
        at: Callable[[Any], datetime],
    ) -> None:
        self._recent, self._ask, self._read, self._name, self._at = recent, ask, read, name, at
        self.place = _mapping(cursor.get("place"))
        self.known: dict[str, Any] = {**_mapping(cursor.get("known"))}
        self.walking: dict[str, Any] = {**_mapping(cursor.get("walk"))}
        self._unseen: set[str] = set(self.walking.get("unseen", ()))

    async def ask(self, begin: datetime | str | None, *more: Any) -> Batch:
        batch = await self._ask(begin, *more)
        if not self.walking:
            time = begin if isinstance(begin, datetime) else None
            self.walking = {"from": word(time), "after": None if time else begin, "sure": True}
            over = {name for name, entry in self.known.items() if entry.keys() & {"gone", "left"}}
            self._unseen = self.known.keys() - over
        return batch

    def read(self, record: Any) -> Draft | Sequence[Draft] | None:
        try:
            name, at = self._name(record), self._at(record)
        except (LookupError, TypeError, ValueError, AttributeError):
            self.walking["sure"] = False  # it may be one of those that are known
            return self._read(record)
        self._unseen.discard(name)
        read = self._read(record)
        drafts = [read] if isinstance(read, Draft) else [*(read or ())]
        before = self.known.pop(name, {})
        if drafts:
            self.known[name] = {"at": word(at), "told": [_kept(draft) for draft in drafts]}
            if len(self.known) > 2 * self._recent.most:
                self._forget()
        if not before.get("gone"):
            return read
        back = {"revision": f"back/{now():%Y%m%dT%H%M%S}", "revised_at": now()}
        # A state that goes on is another than that it was gone, by itself.
        return [draft if draft.goes_on else draft.model_copy(update=back) for draft in drafts]

    async def end(self, there: There | None) -> list[Draft]:
        """Tell what is gone, and forget what is no longer young."""
        missed = [
            self.known[name]
            for name in self._unseen & self.known.keys()
            if self._was_asked(name, utc(self.known[name]["at"]))
        ]
        names = [kept["external_id"] for entry in missed for kept in entry["told"]]
        exist = set(await there(names)) if there and names else set[str]()
        gone: list[Draft] = []
        for entry in missed:
            told = [kept for kept in entry["told"] if kept["external_id"] not in exist]
            entry["gone" if told else "left"] = True
            gone += map(_gone, told)
        self._unseen.clear()
        self.walking.clear()
        self._forget()
        return gone

    def newest(self) -> datetime:
        return max(utc(entry["at"]) for entry in self.known.values())

    def cursor(self, place: Cursor) -> Cursor:
        walking = self.walking and {**self.walking, "unseen": sorted(self._unseen)}
        parts = {"place": dict(place), "known": self.known, "walk": walking}
        return deepcopy({name: part for name, part in parts.items() if part})

    def _was_asked(self, name: str, at: datetime) -> bool:
        """Tell whether this walk would have brought a record, had it still been there."""
        begin, after = self.walking.get("from"), self.walking.get("after")
        if begin:
            return bool(self.walking["sure"]) and at > utc(begin)
        return bool(self.walking.get("sure")) and (after is None or int(name) > int(after))

    def _forget(self) -> None:
        if not self.known:
            return
        youngest = sorted(self.known, key=lambda name: self.known[name]["at"], reverse=True)
        oldest = word(self.newest() - self._recent.within) or ""
        kept = {name for name in youngest[: self._recent.most] if self.known[name]["at"] >= oldest}
        kept |= self._unseen
        self.known = {name: entry for name, entry in self.known.items() if name in kept}


def _kept(draft: Draft) -> dict[str, Json]:
    """Keep what a deletion has to repeat: who may see it does not change with it."""
    return draft.model_dump(mode="json", include=_REPEATED, exclude_defaults=True)


def _gone(kept: Mapping[str, Any]) -> Draft:
    told = {**kept, "revision": f"{kept['revision'][:190]}/gone", "revised_at": now()}
    return Draft.model_validate({**told, "title": "Deleted", "status": Status.DELETED})


def _mapping(value: Json) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
