"""Several lists of one API, read as one source."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any, TypeAlias

from hub.connector.drafts import Bad, Cursor, Draft, Page
from hub.errors import AuthFailed, RateLimited, SourceError, SourceMisbehaved
from hub.signals import Json

Pull: TypeAlias = Callable[[Cursor], AsyncIterator[Page]]
_TURN = ""  # beside the streams' parts: whose page was the last


async def streams(cursor: Cursor, pulls: Mapping[str, Pull]) -> AsyncIterator[Page]:
    """Read each stream from its own part of the cursor, a page at a time in turn.

    One that fails does not stop the others; its error is raised when they are read. That it may
    not be read, while others may, is no reason to stop the source: it is told as misbehaviour.
    """
    kept = cursor.keys() - {_TURN}
    at: dict[str, Json] = {name: cursor.get(name) or {} for name in kept | pulls.keys()}
    failed: dict[str, SourceError] = {}
    drafts: list[Draft] = []
    bad: list[Bad] = []
    async with AsyncExitStack() as stack:
        running: dict[str, Any] = {}
        for name in _in_turn(list(pulls), cursor.get(_TURN)):
            pages: Any = pulls[name](_part(at[name]))
            running[name] = await stack.enter_async_context(aclosing(pages))
        while running:
            for name, pages in list(running.items()):
                page = await _next(pages)
                is_last = not isinstance(page, Page) or not page.more
                if is_last:
                    del running[name]
                    end = await _next(pages) if isinstance(page, Page) else page
                    failed |= {name: end} if isinstance(end, SourceError) else {}
                if not isinstance(page, Page):
                    continue
                if page.more and page.cursor == at[name]:
                    raise SourceMisbehaved(f"the cursor of {name} did not move between two pages")
                drafts += page.drafts
                bad += page.bad
                # What moves no cursor joins the next page that does, and what ends all the last.
                if page.cursor != at[name]:
                    at[name] = dict(page.cursor)
                    if running:
                        yield Page(drafts, {**_used(at), _TURN: name}, bad, more=True)
                        drafts, bad = [], []
    yield Page(drafts, _used(at), bad)
    if failed:
        raise _told(failed, all_failed=failed.keys() == pulls.keys())


def _in_turn(names: list[str], last: Json) -> list[str]:
    """Begin after the one whose page was the last before the poll was broken off.

    A process that dies early each time would else never come to the others.
    """
    first = names.index(last) + 1 if isinstance(last, str) and last in names else 0
    return names[first:] + names[:first]


async def _next(pages: AsyncIterator[Page]) -> Page | SourceError | None:
    try:
        return await anext(pages, None)
    except RateLimited:
        raise  # it is the account's, and so of all its streams
    except SourceError as error:
        return error


def _part(value: Json) -> Cursor:
    return value if isinstance(value, dict) else {}


def _used(at: Mapping[str, Json]) -> Cursor:
    return {name: part for name, part in at.items() if part}


def _told(failed: Mapping[str, SourceError], *, all_failed: bool) -> SourceError:
    name, error = next(iter(failed.items()))
    if isinstance(error, AuthFailed) and not all_failed:
        return SourceMisbehaved(
            f"{name}: {error.message}", "Grant the right to read it, or leave it out"
        )
    return error
