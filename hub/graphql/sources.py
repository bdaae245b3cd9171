"""A source and its health, as the API shows it."""

from collections.abc import Sequence
from datetime import datetime

import strawberry

from hub.config import HUB_SOURCE
from hub.errors import Code, Refused
from hub.graphql.context import Info
from hub.graphql.enums import State
from hub.graphql.metadata import COUNTS_ALL, VOLATILE
from hub.graphql.relay import PAGE, After, First, Node, window
from hub.signals import Classification, now
from hub.store import Connection
from hub.store.quarantine import Quarantined as Record
from hub.store.quarantine import private_sources, quarantined
from hub.store.sources import Standing, standings


@strawberry.type(description="A record that could not be read, kept until somebody has looked.")
class Quarantined(Node):
    external_id: str | None = strawberry.field(description="The source's id, if it had one.")
    reason: str = strawberry.field(description="What was wrong with it.")
    raw: str = strawberry.field(description="The record as it came.")
    at: datetime = strawberry.field(description="When it first came.")
    seen: int = strawberry.field(description="How often it came.")
    outline: bool = strawberry.field(
        description="Whether you may know only that it is there: its source brings what is "
        "restricted, and you have no role that may see that. Then `reason` and `raw` are empty, "
        "and `externalId` is null."
    )


@strawberry.type(description="One configured connector, and how it is.")
class Source(Node):
    name: str = strawberry.field(description="Its name in hub.toml.")
    connector: str = strawberry.field(description="The product it reads.")
    state: State = strawberry.field(description="Its health.")
    problem: str | None = strawberry.field(
        description="Why its newest configuration is not in force, in words; it goes on with the "
        "one before. Null while there is no such problem."
    )
    last_success_at: datetime | None = strawberry.field(
        description="When it was last read to the end."
    )
    last_error: str | None = strawberry.field(
        description="What went wrong, in words; null while all is well."
    )
    last_error_at: datetime | None = strawberry.field(description="When that was.")
    next_poll_at: datetime | None = strawberry.field(
        description="When it is asked again; null while it is not polled."
    )
    failures: int = strawberry.field(description="Failures in a row.")
    added_at: datetime = strawberry.field(description="When the hub first knew it.")
    notify_after: datetime = strawberry.field(
        description="What happened before this is history: stored, never pushed."
    )

    @strawberry.field(
        description="Seconds since it was last read to the end; null before the first time.",
        metadata={VOLATILE: True},
    )
    def lag_seconds(self) -> float | None:
        if self.last_success_at is None:
            return None
        return round((now() - self.last_success_at).total_seconds(), 1)

    @strawberry.field(
        description="When its vendor last sent something by itself; null where it never did, or "
        "not for as long as such is kept."
    )
    async def last_push_at(self, info: Info) -> datetime | None:
        return await info.context.loaders.pushed.load(self.name)

    @strawberry.field(description="How many of its signals you may see.", directives=[COUNTS_ALL])
    async def signals(self, info: Info) -> int:
        return (await info.context.loaders.counts.load(self.name))[0]

    @strawberry.field(description="How many of its records could not be read.")
    async def quarantined(self, info: Info) -> int:
        return (await info.context.loaders.counts.load(self.name))[1]

    @strawberry.field(
        description="The records that could not be read, newest first; takes the admin scope."
    )
    async def quarantine(
        self, info: Info, first: First = PAGE, after: After = None
    ) -> list[Quarantined]:
        info.context.admin()
        size = window("quarantine", (str,), first, None, None, None).size
        if after is not None and "\0" in after:  # which PostgreSQL refuses even to compare with
            raise Refused(Code.BAD_CURSOR, "That is no id of a record", "Pass the last one's id")
        async with info.context.runtime.store.read() as connection:
            found = await quarantined(connection, self.name, size, after)
            return await shown_records(info, connection, found)


async def shown_records(
    info: Info, connection: Connection, found: Sequence[Record]
) -> list[Quarantined]:
    """Show records to an administrator; what could not be read may be what its source hides."""
    config, who = info.context.config, info.context.viewer
    named = {
        name for role in who.roles if role in config.roles for name in config.rules[role].restricted
    }
    hidden = {one.source for one in found if not named & {"*", one.source}}
    private = await private_sources(connection, hidden) | {
        name
        for name in hidden & config.sources.keys()
        if config.sources[name].classification is Classification.RESTRICTED
    }
    return [
        Quarantined(
            id=strawberry.ID(one.id),
            external_id=None if one.source in private else one.external_id,
            reason="" if one.source in private else one.reason,
            raw="" if one.source in private else one.raw,
            at=one.at,
            seen=one.seen,
            outline=one.source in private,
        )
        for one in found
    ]


async def load_sources(info: Info) -> list[Source]:
    """Every source of hub.toml, in its order of names, and the hub's own."""
    async with info.context.runtime.store.read() as connection:
        found = await standings(connection)
    named = {*info.context.config.sources, HUB_SOURCE}
    return [source_type(one) for one in found if one.name in named]


async def load_source(info: Info, name: str) -> Source:
    """Find a source. Raises Refused(NOT_FOUND) for a name that the hub never knew."""
    if (found := await find_source(info, name)) is not None:
        return found
    names = ", ".join(info.context.config.sources) or "none"
    raise Refused(Code.NOT_FOUND, f"No source named {name!r}", f"There are: {names}")


async def find_source(info: Info, name: str) -> Source | None:
    found = await info.context.loaders.source.load(name)
    return source_type(found) if found else None


def source_type(standing: Standing) -> Source:
    return Source(
        id=strawberry.ID(f"source:{standing.name}"),
        name=standing.name,
        connector=standing.connector,
        state=standing.state,
        problem=standing.problem,
        last_success_at=standing.last_success_at,
        last_error=standing.last_error,
        last_error_at=standing.last_error_at,
        next_poll_at=standing.next_poll_at,
        failures=standing.failures,
        added_at=standing.added_at,
        notify_after=standing.notify_after,
    )
