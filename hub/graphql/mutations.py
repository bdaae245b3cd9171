"""What can be done. Expected failures are members of the result, not errors."""

from collections.abc import Iterator
from typing import Annotated

import strawberry
from pydantic import ValidationError
from strawberry.scalars import JSON

from hub.config import HUB_SOURCE
from hub.connector import AccountRef, Draft, Page, PersonRef, why
from hub.details import misfits, schema_path
from hub.errors import Code
from hub.graphql.context import Info
from hub.graphql.enums import Severity
from hub.graphql.keys import CreateKeyResult, RevokeKeyResult, create_key, revoke_key
from hub.graphql.pausing import PauseSourceResult, ResumeSourceResult, pause, resume
from hub.graphql.relay import SourceName
from hub.graphql.results import Forbidden, InvalidInput, NotFound
from hub.graphql.sources import Source, load_source
from hub.graphql.types import Signal, signal_type
from hub.ingest import Reading, announce, ingest
from hub.jobs import Work
from hub.kinds import KINDS
from hub.signals import Origin, Scope, Status, new_id, now
from hub.store.audit import Act, record
from hub.store.clock import clock
from hub.store.sources import State, make_due

PUBLISHABLE = ("team.", "customer.", "goal.", "people.", "partner.", "policy.", "community.")
LONGEST = {"title": 300, "summary": 2_000, "body": 100_000}


@strawberry.input(description="Something a person tells the company.")
class PublishSignalInput:
    kind: str = strawberry.field(
        description="A kind that people publish: `team.need`, `team.idea`, `team.kudos`..."
    )
    title: str = strawberry.field(description="One line: what it is about.")
    summary: str = strawberry.field(default="", description="A few lines.")
    body: str | None = strawberry.field(default=None, description="The whole text.")
    url: str | None = strawberry.field(default=None, description="Where to read on.")
    account: str | None = strawberry.field(default=None, description="The customer's name.")
    severity: Severity | None = strawberry.field(default=None, description="How urgent it is.")
    labels: list[str] = strawberry.field(default_factory=list, description="Words to sort it by.")
    asked_of: list[str] = strawberry.field(
        default_factory=list, description="The roles that something is asked of."
    )
    attributes: JSON | None = strawberry.field(default=None, description="What else there is.")
    key: str | None = strawberry.field(
        default=None,
        description="Your own id of it: publishing again under the same key changes the signal "
        "instead of making another.",
    )


@strawberry.type(description="It was published.")
class PublishSignalSuccess:
    signal: Signal = strawberry.field(description="The signal it became.")


@strawberry.type(description="A poll was asked for; it begins at once.")
class SyncSourceSuccess:
    source: Source = strawberry.field(description="The source.")


Publication = Annotated[
    PublishSignalInput, strawberry.argument(description="What to tell the company.")
]
PublishSignalResult = Annotated[
    PublishSignalSuccess | InvalidInput | Forbidden,
    strawberry.union("PublishSignalResult", description="What became of a publication."),
]
SyncSourceResult = Annotated[
    SyncSourceSuccess | InvalidInput | NotFound | Forbidden,
    strawberry.union("SyncSourceResult", description="What became of a request to poll."),
]


@strawberry.type(description="What can be done.")
class Mutation:
    create_key: CreateKeyResult = strawberry.mutation(
        resolver=create_key,
        description="Make an API key, which is shown once; takes the admin scope.",
    )
    revoke_key: RevokeKeyResult = strawberry.mutation(
        resolver=revoke_key,
        description="End an API key: streams it opened end too; takes the admin scope.",
    )

    @strawberry.mutation(
        description="Tell the company something: a need, an idea, thanks, news. It is scored and "
        "addressed like any other signal."
    )
    async def publish_signal(
        self,
        info: Info,
        input: Publication,  # noqa: A002 - the API's name
    ) -> PublishSignalResult:
        viewer = info.context.viewer
        if not viewer.may(Scope.PUBLISH):
            return Forbidden(code=Code.FORBIDDEN, message="This takes the publish scope")
        if not (viewer.roles or viewer.is_admin):
            return Forbidden(code=Code.FORBIDDEN, message="This takes a key with a role")
        if problem := next(_problems(info, input), None):
            return problem
        at = now()
        author, own = viewer.person or viewer.name, viewer.key_id or viewer.subject
        try:
            draft = Draft(
                kind=input.kind,
                external_id=f"{own}/{input.key}" if input.key else new_id(),
                revision=new_id(),
                revised_at=at,
                occurred_at=at,
                title=input.title,
                summary=input.summary,
                body=input.body,
                url=input.url,
                severity=input.severity,
                status=Status.OPEN if input.asked_of else Status.INFORMATION,
                account=AccountRef(name=input.account) if input.account else None,
                author=PersonRef(name=author, email=author if "@" in author else None)
                if author
                else None,
                labels=tuple(input.labels),
                attributes={
                    **(input.attributes if isinstance(input.attributes, dict) else {}),
                    **({"asked_of": list(input.asked_of)} if input.asked_of else {}),
                },
            )
        except ValidationError as error:
            return InvalidInput(code=Code.INVALID, message=why(error), field=None)
        runtime = info.context.runtime
        done = await ingest(
            runtime.store,
            Reading(HUB_SOURCE, origin=Origin.PERSON),
            Page([draft], {}),
            runtime.snapshot.plan,
            at=at,
        )
        if not done.signals:
            return InvalidInput(
                code=Code.INVALID,
                message="That could not be stored: no readable title, or attributes over 64 KiB",
                field=None,
            )
        await announce(done, runtime.bus, runtime.waker)
        return PublishSignalSuccess(signal=signal_type(done.signals[0]))

    pause_source: PauseSourceResult = strawberry.mutation(
        resolver=pause,
        description="Poll a source no more until it is resumed; what its vendor sends is still "
        "taken. Takes the admin scope.",
    )
    resume_source: ResumeSourceResult = strawberry.mutation(
        resolver=resume,
        description="Poll a paused source again, from where it stood; takes the admin scope.",
    )

    @strawberry.mutation(
        description="Poll a source now, also one that had stopped; takes the admin scope."
    )
    async def sync_source(self, info: Info, name: SourceName) -> SyncSourceResult:
        if not info.context.viewer.is_admin:
            message = "This takes a key with the admin scope"
            return Forbidden(code=Code.FORBIDDEN, message=message)
        runtime = info.context.runtime
        if name not in runtime.config.sources:
            names = ", ".join(runtime.config.sources) or "none"
            message = f"No source named {name!r}. There are: {names}"
            return NotFound(code=Code.NOT_FOUND, message=message)
        if not runtime.config.sources[name].polled:
            message = f"{name} only listens: it has nothing to poll"
            return InvalidInput(code=Code.INVALID, message=message, field="name")
        if (await load_source(info, name)).state is State.PAUSED:
            message = f"{name} is paused: resume it, and it is polled"
            return InvalidInput(code=Code.INVALID, message=message, field="name")
        async with runtime.store.write() as connection:
            at = await clock(connection)
            await make_due(connection, name, at)
            act, subject = Act.SOURCE_SYNCED, f"source:{name}"
            await record(connection, info.context.actor, act, subject)
        await runtime.waker.wake(Work.POLL, [f"{name}:{at.timestamp()}"])
        return SyncSourceSuccess(source=await load_source(info, name))


def _problems(info: Info, given: PublishSignalInput) -> Iterator[InvalidInput]:
    """Find what of a publication cannot be taken, and say it in words."""

    def invalid(field: str, message: str) -> InvalidInput:
        return InvalidInput(code=Code.INVALID, message=message, field=field)

    kinds = [kind for kind in KINDS if kind.startswith(PUBLISHABLE)]
    if given.kind not in kinds:
        yield invalid("kind", f"{given.kind!r} is no kind that people publish: {', '.join(kinds)}")
    if not given.title.strip():
        yield invalid("title", "The title is empty")
    for field, most in LONGEST.items():
        if len(getattr(given, field) or "") > most:
            yield invalid(field, f"At most {most} characters")
    if given.url and not given.url.startswith(("https://", "http://")):
        yield invalid("url", "A link begins with https://")
    yield from _attribute_problems(given)
    known = info.context.config.roles
    for name in given.asked_of:
        if name not in known:
            yield invalid("askedOf", f"No role named {name!r}. There are: {', '.join(known)}")


def _attribute_problems(given: PublishSignalInput) -> Iterator[InvalidInput]:
    if given.attributes is None:
        return
    if not isinstance(given.attributes, dict):
        yield InvalidInput(
            code=Code.INVALID, message="The attributes are an object", field="attributes"
        )
        return
    for name in misfits(given.kind, given.attributes):
        message = f"That is no {name}: {schema_path(given.kind)} says what one is"
        yield InvalidInput(code=Code.INVALID, message=message, field=f"attributes.{name}")
