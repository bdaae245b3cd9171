"""The health of the sources as it changes."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import datetime

import strawberry

from hub import signals
from hub.config import HUB_SOURCE
from hub.graphql.context import Info
from hub.graphql.enums import State
from hub.graphql.sources import Source, source_type
from hub.store.sources import Standing


@strawberry.type(
    description="How a source is. First comes one for each source, then one whenever something of "
    "this changes; what lasted less than a second may be left out."
)
class SourceHealth:
    name: str = strawberry.field(description="The source's name in hub.toml.")
    state: State = strawberry.field(description="Its health.")
    was: State | None = strawberry.field(
        description="Its health until then: the same where only `error` or `problem` changed; null "
        "in what comes first, and for a source that is new."
    )
    since: datetime | None = strawberry.field(
        description="When it became so; null in what comes first, which was so before."
    )
    error: str | None = strawberry.field(
        description="What went wrong, in words; null while all is well."
    )
    problem: str | None = strawberry.field(
        description="Why its newest configuration is not in force, in words; null while it is."
    )
    source: Source = strawberry.field(description="All about it.")


async def follow_health(info: Info) -> AsyncGenerator[SourceHealth, None]:
    info.context.reader()
    known: dict[str, Standing] = {}
    async with aclosing(info.context.runtime.health.follow()) as looks:
        async for found in looks:
            info.context.reader()  # who may not read any more is told nothing more
            shown = _shown(info, found, known)
            for name, standing in shown.items():
                before = known.get(name)
                if before is None or _differ(before, standing):
                    yield _health(standing, before)
            known = shown


def _shown(
    info: Info, found: Mapping[str, Standing], known: Mapping[str, Standing]
) -> dict[str, Standing]:
    """Give what `sources` lists, and what it no longer lists: that it was removed is told."""
    named = {*info.context.config.sources, HUB_SOURCE, *known}
    return {name: one for name, one in found.items() if name in named}


def _differ(before: Standing, now: Standing) -> bool:
    return (before.state, before.last_error, before.problem) != (
        now.state,
        now.last_error,
        now.problem,
    )


def _since(now: Standing) -> datetime:
    """Tell when a source became as it is: by its last poll where that is what changed it."""
    match now.state:
        case State.FAILING | State.AUTH_FAILED:
            at = now.last_error_at
        case State.OK:
            at = now.last_success_at
        case _:
            at = None
    return at or signals.now()


def _health(now: Standing, before: Standing | None) -> SourceHealth:
    return SourceHealth(
        name=now.name,
        state=now.state,
        was=before.state if before else None,
        since=_since(now) if before else None,
        error=now.last_error,
        problem=now.problem,
        source=source_type(now),
    )
