"""What can be followed live: from now, or gap-free from a cursor of the log."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated

import strawberry

from hub import signals
from hub.access import Always, Condition, all_of, asks_for_words, holds
from hub.errors import Code, Refused
from hub.graphql.context import Info
from hub.graphql.feed import feed_visible, least_score
from hub.graphql.filters import FilterBy, SignalFilter
from hub.graphql.relay import MinScore, RoleName, log_cursor, read_log_cursor
from hub.graphql.types import Reason, Signal, reasons_type, signal_type
from hub.outline import weighed
from hub.signals import ChangeType, Facts
from hub.store import log

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
    description="The log no longer reaches back to the cursor: read the list anew and follow it "
    "from its resumeFrom."
)
class CursorExpired:
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
    @strawberry.subscription(description="A role's feed as it changes.")
    async def feed(
        self, info: Info, role: RoleName, min_score: MinScore = None, after: FromCursor = None
    ) -> AsyncGenerator[FeedEvent, None]:
        name = info.context.role(role)
        least_score(info, name, min_score)

        def shows(facts: Facts) -> bool:
            info.context.role(role)  # it may have gone, or the viewer may have lost it
            least = least_score(info, name, min_score)
            return facts.scores.get(name, -1.0) >= least and holds(feed_visible(info, name), facts)

        async with aclosing(_follow(info, after, shows)) as steps:
            async for step in steps:
                if isinstance(step, CursorExpired):
                    yield step
                elif step.signal is None:
                    yield FeedWithdrawn(cursor=step.cursor, signal_id=step.id)
                else:
                    relevance = await info.context.loaders.relevance.load(step.id)
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
        wanted = _Narrowed(info, filter)
        if asks_for_words(wanted.condition):
            raise Refused(
                Code.INVALID,
                "A subscription cannot filter by text",
                "Follow with the other filters, and look for the words in what comes",
            )

        def shows(facts: Facts) -> bool:
            return holds(all_of(info.context.visible, wanted.condition), facts)

        async with aclosing(_follow(info, after, shows)) as steps:
            async for step in steps:
                if isinstance(step, CursorExpired):
                    yield step
                elif step.signal is None:
                    yield SignalWithdrawn(cursor=step.cursor, signal_id=step.id)
                else:
                    event = SignalUpdated if step.was_shown else SignalCreated
                    yield event(cursor=step.cursor, signal=signal_type(step.signal))


class _Narrowed:
    """A filter as a condition, made anew when the viewer may read other signals than before."""

    def __init__(self, info: Info, given: SignalFilter | None) -> None:
        self._info, self._given = info, given
        self._readable = info.context.readable
        self._made = self._make()

    @property
    def condition(self) -> Condition:
        readable = self._info.context.readable
        if readable != self._readable:
            self._readable, self._made = readable, self._make()
        return self._made

    def _make(self) -> Condition:
        return self._given.condition(self._info.context.told) if self._given else Always()


@dataclass(frozen=True, slots=True)
class _Step:
    """A change of what is shown: `signal` is None when it is shown no more."""

    cursor: str
    id: strawberry.ID
    was_shown: bool
    signal: signals.Signal | None


async def _follow(
    info: Info, after: str | None, shows: Callable[[Facts], bool]
) -> AsyncGenerator[_Step | CursorExpired, None]:
    """Yield what enters, stays in or leaves what is shown; a cursor that expired ends it."""
    context = info.context
    _ = context.viewer
    after = context.resumes or after
    place = read_log_cursor(after) if after is not None else None
    if place is not None and (expired := await _expired(info, place)):
        yield expired
        return
    async with aclosing(context.changes(place)) as changes:
        async for change in changes:
            missing = place is not None and change.seq > place + 1
            if place is not None and missing and (expired := await _expired(info, place)):
                # Lines were trimmed before this follower, who was far behind, had read them.
                yield expired
                return
            place = change.seq
            if change.type is ChangeType.HISTORY:
                context.passed(place)
                continue
            await context.renew()
            was = change.was is not None and shows(change.was)
            now = change.type is not ChangeType.EXPIRED and shows(change.now)
            if not (was or now):
                context.passed(place)
                continue
            signal = await context.loaders.signal.load(change.signal_id) if now else None
            if now and signal is None:
                context.passed(place)
                continue  # it changed again meanwhile: a later line of the log says how
            yield _Step(log_cursor(change.seq), strawberry.ID(change.signal_id), was, signal)
            context.passed(place)
    context.ended()


async def _expired(info: Info, place: int) -> CursorExpired | None:
    """Tell whoever stands where the log does not reach: too far back, or of a log that is gone."""
    async with info.context.runtime.store.read() as connection:
        if await log.reaches(connection, place):
            return None
        oldest = await log.oldest(connection)
    return CursorExpired(
        message="The log does not reach to that cursor: read the list anew",
        oldest=log_cursor(oldest - 1),
    )
