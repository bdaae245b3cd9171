"""What can be followed live: from now, or gap-free from a cursor of the log."""

from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated

import strawberry

from hub import signals
from hub.access import Always, all_of, asks_for_words, holds
from hub.ahead import or_quiet
from hub.errors import Code, Refused
from hub.graphql.context import Context, Info
from hub.graphql.feed import feed_visible, least_score
from hub.graphql.filters import FilterBy
from hub.graphql.health import SourceHealth, follow_health
from hub.graphql.relay import MinScore, RoleName, log_cursor, read_log_place
from hub.graphql.types import Reason, Signal, reasons_type, signal_type
from hub.outline import weighed
from hub.signals import ChangeType, Facts
from hub.store import log

LOOK = 2.0  # seconds until a stream where nothing happens looks whether it may go on
TOO_OLD = "The log does not reach to that cursor: read the list anew"
SEES_OTHERWISE = "What you may see, or how it is judged, has changed: read the list anew"

FromCursor = Annotated[
    str | None,
    strawberry.argument(
        description="Go on after this cursor of the log, without a gap: `resumeFrom` of a list, "
        "or the cursor of the last event. Without it: from now."
    ),
]


@strawberry.type(description="A signal that this feed did not show before.")
class FeedCreated:
    cursor: str = strawberry.field(description="Where to go on after this event.")
    score: float = strawberry.field(description="From 0 to 1.")
    reasons: list[Reason] = strawberry.field(description="The parts of the score.")
    signal: Signal = strawberry.field(description="The signal as it is now.")


@strawberry.type(description="A signal of this feed changed.")
class FeedUpdated:
    cursor: str = strawberry.field(description="Where to go on after this event.")
    score: float = strawberry.field(description="From 0 to 1.")
    reasons: list[Reason] = strawberry.field(description="The parts of the score.")
    signal: Signal = strawberry.field(description="The signal as it is now.")


@strawberry.type(description="A signal left this feed: it matters less now, or is hidden.")
class FeedWithdrawn:
    cursor: str = strawberry.field(description="Where to go on after this event.")
    signal_id: strawberry.ID = strawberry.field(description="The signal.")


@strawberry.type(description="A signal that this list did not show before.")
class SignalCreated:
    cursor: str = strawberry.field(description="Where to go on after this event.")
    signal: Signal = strawberry.field(description="The signal as it is now.")


@strawberry.type(description="A signal of this list changed.")
class SignalUpdated:
    cursor: str = strawberry.field(description="Where to go on after this event.")
    signal: Signal = strawberry.field(description="The signal as it is now.")


@strawberry.type(description="A signal left this list.")
class SignalWithdrawn:
    cursor: str = strawberry.field(description="Where to go on after this event.")
    signal_id: strawberry.ID = strawberry.field(description="The signal.")


@strawberry.type(
    description="The log does not lead on from the cursor: it no longer reaches back so far, or "
    "you may see other signals than there. Read the list anew, and follow it from its resumeFrom."
)
class CursorExpired:
    code: str = strawberry.field(description="`CURSOR_EXPIRED`, for programs.")
    message: str = strawberry.field(description="What to do.")
    oldest: str = strawberry.field(description="The oldest cursor that still works.")


FeedEvent = Annotated[
    FeedCreated | FeedUpdated | FeedWithdrawn | CursorExpired,
    strawberry.union("FeedEvent", description="What happened in a role's feed."),
]
SignalEvent = Annotated[
    SignalCreated | SignalUpdated | SignalWithdrawn | CursorExpired,
    strawberry.union("SignalEvent", description="What happened in a list of signals."),
]


@strawberry.type(description="What can be followed live.")
class Subscription:
    sources: AsyncGenerator[SourceHealth, None] = strawberry.subscription(
        resolver=follow_health, description="The health of every configured source, as it changes."
    )

    @strawberry.subscription(description="A role's feed as it changes.")
    async def feed(
        self, info: Info, role: RoleName, min_score: MinScore = None, after: FromCursor = None
    ) -> AsyncGenerator[FeedEvent, None]:
        name = info.context.role(role)
        least_score(info, name, min_score)

        def shows(facts: Facts) -> bool:
            least = least_score(info, name, min_score)
            return facts.scores.get(name, -1.0) >= least and holds(feed_visible(info, name), facts)

        def sight() -> Hashable:
            role = info.context.role(name)  # it may have gone, or the viewer may have lost it
            least = least_score(info, role, min_score)
            readable, judged = info.context.readable, info.context.config.judged.get(role)
            return feed_visible(info, role), readable, least, judged

        async with aclosing(_follow(info, after, sight, shows)) as steps:
            async for step in steps:
                if isinstance(step, CursorExpired):
                    yield step
                elif step.signal is None:
                    yield FeedWithdrawn(cursor=step.cursor, signal_id=step.signal_id)
                else:
                    relevance = await info.context.judged(step.change)
                    if name not in relevance:
                        continue  # it changed again meanwhile: a later line of the log says how
                    judged = weighed(relevance[name], is_outline=step.signal.is_outline)
                    event = FeedUpdated if step.was_shown else FeedCreated
                    yield event(
                        cursor=step.cursor,
                        score=judged.score,
                        reasons=reasons_type(judged),
                        signal=signal_type(step.signal),
                    )

    @strawberry.subscription(description="The signals you may see, as they change.")
    async def signals(
        self,
        info: Info,
        filter: FilterBy = None,  # noqa: A002 - the API's name
        after: FromCursor = None,
    ) -> AsyncGenerator[SignalEvent, None]:
        wanted = filter.condition(info.context.told) if filter else Always()
        if asks_for_words(wanted):
            raise Refused(
                Code.INVALID,
                "A subscription cannot filter by text",
                "Follow with the other filters, and look for the words in what comes",
            )

        def shows(facts: Facts) -> bool:
            return holds(all_of(info.context.visible, wanted), facts)

        def sight() -> Hashable:
            return info.context.visible, info.context.readable

        async with aclosing(_follow(info, after, sight, shows)) as steps:
            async for step in steps:
                if isinstance(step, CursorExpired):
                    yield step
                elif step.signal is None:
                    yield SignalWithdrawn(cursor=step.cursor, signal_id=step.signal_id)
                else:
                    event = SignalUpdated if step.was_shown else SignalCreated
                    yield event(cursor=step.cursor, signal=signal_type(step.signal))


@dataclass(frozen=True, slots=True)
class _Step:
    """A change of what is shown: `signal` is None when it is shown no more."""

    change: log.Change
    cursor: str
    was_shown: bool
    signal: signals.Signal | None

    @property
    def signal_id(self) -> strawberry.ID:
        return strawberry.ID(self.change.signal_id)


async def _follow(
    info: Info, after: str | None, sight: Callable[[], Hashable], shows: Callable[[Facts], bool]
) -> AsyncGenerator[_Step | CursorExpired, None]:
    """Yield what enters, stays in or leaves what is shown; a cursor that expired ends it.

    `sight` is what decides about that, beside the signals. When it changes, no line of the log says
    what has come into view and what has left it: so the list has to be read anew.
    """
    context = info.context
    seen = sight()
    began = await _begin(info, context.resumes or after)
    if isinstance(began, CursorExpired):
        yield began
        return
    place = began
    async with aclosing(or_quiet(context.changes(place), LOOK)) as changes:
        async for change in changes:
            if sight() != seen:
                yield await _expired(info, SEES_OTHERWISE)
                return
            if change is None:
                continue
            if place is not None and change.seq > place + 1 and not await _reaches(info, place):
                # Lines were trimmed before this follower, who was far behind, had read them.
                yield await _expired(info, TOO_OLD)
                return
            place = change.seq
            if change.type is ChangeType.HISTORY:
                context.passed(place)
                continue
            step = await _step(context, change, shows)
            if sight() != seen:
                # Its cursor may be of the new sight: who went on from it would keep the old view.
                yield await _expired(info, SEES_OTHERWISE)
                return
            if step is not None:
                yield step
            context.passed(place)
    context.ended()


async def _begin(info: Info, after: str | None) -> CursorExpired | int | None:
    """Give the place in the log to go on after: None for the end that it has now."""
    if after is None:
        return None
    place = read_log_place(after)
    if place.scope is not None and place.scope != info.context.scope:
        return await _expired(info, SEES_OTHERWISE)
    if not await _reaches(info, place.seq):
        return await _expired(info, TOO_OLD)
    return place.seq


async def _step(
    context: Context, change: log.Change, shows: Callable[[Facts], bool]
) -> _Step | None:
    was = change.was is not None and shows(change.was)
    now = change.type is not ChangeType.EXPIRED and shows(change.now)
    if not (was or now):
        return None
    signal = await context.changed(change) if now else None
    if now and signal is None:
        return None  # it changed again meanwhile: a later line of the log says how
    cursor = log_cursor(change.seq, context.scope)
    return _Step(change, cursor, was, signal)


async def _reaches(info: Info, place: int) -> bool:
    async with info.context.runtime.store.read() as connection:
        return await log.reaches(connection, place)


async def _expired(info: Info, why: str) -> CursorExpired:
    """Tell whoever stands where the log does not lead on from."""
    async with info.context.runtime.store.read() as connection:
        oldest = await log.oldest(connection)
    cursor = log_cursor(oldest - 1, info.context.scope)
    return CursorExpired(code=Code.CURSOR_EXPIRED, message=why, oldest=cursor)
