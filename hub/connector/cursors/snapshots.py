"""Family F: what exists now, and nothing of before (status pages, firing alerts, feeds)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from hub.connector.cursors.batches import Seen, whole
from hub.connector.drafts import Cursor, Draft, Page
from hub.signals import Json

Ask: TypeAlias = Callable[[Mapping[str, Json]], Awaitable[Seen | None]]
Read: TypeAlias = Callable[[Any, int], Draft | Sequence[Draft] | None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Compares what exists with what existed: what is new, what changed, what is gone.

    The cursor keeps a version of each record, and as much of it as its end needs to be told.
    """

    async def pages(
        self,
        cursor: Cursor,
        ask: Ask,
        *,
        key: Callable[[Any], str],
        version: Callable[[Any], str],
        read: Read,
        keep: Callable[[Any], Json] = lambda _: None,
        gone: Callable[[str, Any], Any] | None = None,
    ) -> AsyncIterator[Page]:
        """Yield one page. `ask` is given the validators of last time; None: nothing has changed.

        `gone` makes a record of a key and what `keep` kept, which `read` reads like any other;
        without it, what vanishes is only forgotten. `read` is also told how often something has
        changed so far: it tells two times apart that a record looks the same.
        """
        asked = cursor.get("validators")
        seen = await ask(asked if isinstance(asked, dict) else {})
        if seen is None:
            yield Page((), cursor)
            return
        known = cursor.get("known")
        before: dict[str, Any] = dict(known) if isinstance(known, dict) else {}
        after: dict[str, Json] = {}
        changed: list[tuple[str, Any]] = []
        bad: list[Any] = []
        for record in seen.records:
            try:
                name, now = key(record), version(record)
            except (LookupError, TypeError, ValueError, AttributeError):
                bad.append(record)
                continue
            was = before.get(name)
            if was is not None and was["version"] == now:
                after[name] = was
            else:
                after[name] = {"version": now, "kept": keep(record)}
                changed.append((name, record))
        ended = [
            (name, gone(name, was["kept"]))
            for name, was in before.items()
            if name not in after and gone is not None and not was.get("bad")
        ]
        rounds = whole(cursor.get("rounds")) + bool(changed or ended)
        drafts: list[Draft] = []
        odd = list(Page.read(bad, lambda record: read(record, rounds), {}).bad)
        for name, record in (*changed, *ended):
            page = Page.read([record], lambda one: read(one, rounds), {})
            drafts += page.drafts
            odd += page.bad
            if page.bad and name in after:
                # What never was a signal does not end as one.
                after[name] = {"version": version(record), "kept": None, "bad": True}
        at: dict[str, Json] = {"known": after, "rounds": rounds}
        if seen.validators:
            at["validators"] = dict(seen.validators)
        yield Page(drafts, at, odd)
