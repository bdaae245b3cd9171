"""Pauses a source and resumes it."""

from typing import Annotated

import strawberry

from hub.errors import Code
from hub.graphql.context import Info
from hub.graphql.relay import SourceName
from hub.graphql.results import Forbidden, InvalidInput, NotFound
from hub.graphql.sources import Source, load_source
from hub.jobs import Work
from hub.store import Connection
from hub.store.audit import Act, record
from hub.store.clock import clock
from hub.store.sources import set_paused


@strawberry.type(description="The source is paused; it also was if nothing had to be done.")
class PauseSourceSuccess:
    source: Source = strawberry.field(description="The source.")


@strawberry.type(description="The source is polled again; it also was if nothing had to be done.")
class ResumeSourceSuccess:
    source: Source = strawberry.field(description="The source.")


PauseSourceResult = Annotated[
    PauseSourceSuccess | InvalidInput | NotFound | Forbidden,
    strawberry.union("PauseSourceResult", description="What became of a request to pause."),
]
ResumeSourceResult = Annotated[
    ResumeSourceSuccess | InvalidInput | NotFound | Forbidden,
    strawberry.union("ResumeSourceResult", description="What became of a request to resume."),
]


async def pause(info: Info, name: SourceName) -> PauseSourceResult:
    if problem := _problem(info, name):
        return problem
    async with info.context.runtime.store.write() as connection:
        if await set_paused(connection, name, await clock(connection), paused=True):
            await _record(connection, info, Act.SOURCE_PAUSED, name, paused=True)
    return PauseSourceSuccess(source=await load_source(info, name))


async def resume(info: Info, name: SourceName) -> ResumeSourceResult:
    if problem := _problem(info, name):
        return problem
    runtime = info.context.runtime
    async with runtime.store.write() as connection:
        at = await clock(connection)
        changed = await set_paused(connection, name, at, paused=False)
        if changed:
            await _record(connection, info, Act.SOURCE_RESUMED, name, paused=False)
    if changed:
        await runtime.waker.wake(Work.POLL, [f"{name}:{at.timestamp()}"])
    return ResumeSourceSuccess(source=await load_source(info, name))


async def _record(connection: Connection, info: Info, act: Act, name: str, *, paused: bool) -> None:
    was, now = {"paused": not paused}, {"paused": paused}
    await record(connection, info.context.actor, act, f"source:{name}", before=was, after=now)


def _problem(info: Info, name: str) -> InvalidInput | NotFound | Forbidden | None:
    if not info.context.viewer.is_admin:
        return Forbidden(code=Code.FORBIDDEN, message="This takes a key with the admin scope")
    sources = info.context.config.sources
    if name not in sources:
        message = f"No source named {name!r}. There are: {', '.join(sources) or 'none'}"
        return NotFound(code=Code.NOT_FOUND, message=message)
    if not sources[name].polled:
        message = f"{name} only listens: there is no polling to pause"
        return InvalidInput(code=Code.INVALID, message=message, field="name")
    return None
