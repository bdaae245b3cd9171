"""The GraphQL types of a signal and what stands beside it, one to one with `hub.signals`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, cast

import strawberry
from strawberry.scalars import JSON

from hub import signals
from hub.access import Condition, holds
from hub.graphql.context import Info
from hub.graphql.details import SignalDetails, details_type
from hub.graphql.enums import (
    ChangeType,
    Classification,
    Department,
    Family,
    Origin,
    Outcome,
    Severity,
    Status,
)
from hub.graphql.metadata import KNOWN
from hub.graphql.named import Account, Person, account_type, person_type
from hub.graphql.relay import (
    After,
    Before,
    First,
    Last,
    Node,
    PageInfo,
    RoleName,
    log_cursor,
    page_info,
    window,
    write_cursor,
)
from hub.graphql.sources import Source, load_source
from hub.outline import weighed
from hub.store import Connection
from hub.store.log import Change as LogChange
from hub.store.pages import history_page
from hub.store.signals import ids_of, revisions

described = strawberry.field


@strawberry.type(description="One named part of a relevance.")
class Reason:
    name: str = described(description="What kind of reason: kind, severity, account, keyword...")
    weight: float = described(description="How much it added to the score.")
    evidence: str = described(description="What in the signal it rests on.")


@strawberry.type(description="How much a signal matters to a role, why, and what was decided.")
class Relevance:
    role: str = described(description="The role.")
    score: float = described(description="From 0 to 1: the sum of the reasons, at most 1.")
    reasons: list[Reason] = described(description="The parts of the score.")
    outcome: Outcome = described(description="What was decided.")


@strawberry.type(description="A numbered line of the log: a signal became this.")
class Change:
    cursor: str = described(description="Its place in the log: `after` of a subscription.")
    seq: int = described(description="Its number. Numbers rise in the order of commits.")
    type: ChangeType = described(description="What happened.")
    at: datetime = described(description="When the hub stored it.")
    signal_id: strawberry.ID = described(description="The signal.")
    kind: str = described(description="The kind the signal had by then.")
    status: Status = described(description="The status the signal had by then.")
    revision: str | None = described(
        description="The source's name of this version; null where you may not read it."
    )
    title: str | None = described(
        description="The title in this version; null once deleted, and where you may not read it."
    )

    @strawberry.field(description="The signal as it is now; null where it may not be seen.")
    async def signal(self, info: Info) -> Annotated["Signal", strawberry.lazy(__name__)] | None:
        found = await info.context.loaders.signal.load(str(self.signal_id))
        return signal_type(found) if found else None


@strawberry.type(description="A change and its cursor.")
class ChangeEdge:
    cursor: str = described(description="Where to go on.")
    node: Change = described(description="The change.")


@strawberry.type(description="A page of changes.")
class ChangeConnection:
    edges: list[ChangeEdge] = described(description="The changes, oldest first.")
    page_info: PageInfo = described(description="Where the page stands.")


@strawberry.federation.type(
    keys=["id"], description="One fact that the hub keeps, in its current revision."
)
class Signal(Node):
    kind: str = described(description="What happened: `sales.deal.won`.")
    family: Family = described(description="The group of its kind.")
    department: Department = described(description="Where it comes from.")
    title: str = described(description="One line for people.")
    summary: str = described(description="A few lines; may be empty.")
    body: str | None = described(description="The whole text, where there is one.")
    url: str | None = described(description="Where to read on, at the source.")
    external_id: str = described(description="The source's id of it.")
    revision: str = described(description="The source's name of this version.")
    origin: Origin = described(description="How it came in.")
    occurred_at: datetime = described(description="When it happened, by the source's clock.")
    received_at: datetime = described(description="When the hub first heard of it.")
    updated_at: datetime = described(description="When the hub stored this version.")
    severity: Severity = described(description="How bad it is.")
    status: Status = described(description="Where the happening stands.")
    classification: Classification = described(description="How widely it may be known.")
    sentiment: float | None = described(description="From -1 (angry) to 1 (happy), if known.")
    account: Account | None = described(description="The customer it is about.")
    author: Person | None = described(description="Who wrote or did it.")
    owner: Person | None = described(description="Who is responsible for it.")
    labels: list[str] = described(description="Words that the source sorted it by.")
    attributes: JSON = described(description="What else the source said, by kind.")
    thread: str | None = described(description="The conversation it belongs to.")
    outline: bool = described(
        description="Whether you may know only that it is there. Then the title says what its kind "
        "is about, `summary`, `externalId`, `revision`, `labels` and `attributes` are empty, and "
        "`body`, `url`, `sentiment`, `author`, `owner`, `thread` and `details` null, whatever they "
        "are."
    )
    source_name: strawberry.Private[str]

    @strawberry.field(
        description="The attributes with their types; null where the kind is one of your own."
    )
    def details(self) -> SignalDetails | None:
        if self.outline:
            return None
        return details_type(self.kind, cast("dict[str, Any]", self.attributes))

    @strawberry.field(
        description="The configured connector it came through.",
        metadata={
            KNOWN: {
                "id": lambda signal: f"source:{signal.source_name}",
                "name": lambda signal: signal.source_name,
            }
        },
    )
    async def source(self, info: Info) -> Source:
        return await load_source(info, self.source_name)

    @strawberry.field(
        description="How much it matters to one of your roles, and why: as it was judged when it "
        "last changed, and anew when the roles did where it had occurred in the 30 days before."
    )
    async def relevance(self, info: Info, role: RoleName) -> Relevance | None:
        info.context.role(role)
        if self.outline:
            signal = await info.context.loaders.signal.load(str(self.id))
            if signal is None or not info.context.weighs(role, signal):
                return None
        found = await info.context.loaders.relevance.load(str(self.id))
        if role not in found:
            return None
        return relevance_type(weighed(found[role], is_outline=self.outline))

    @strawberry.field(description="Every change of it, oldest first.")
    async def history(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> ChangeConnection:
        visible = info.context.visible
        part = window("log", (int,), first, after, last, before)
        async with info.context.runtime.store.read() as connection:
            found = await history_page(connection, str(self.id), part)
            said = await said_by(info, connection, [change for _, change in found.items])
        return ChangeConnection(
            edges=[
                ChangeEdge(cursor=write_cursor("log", key), node=change_type(change, said, visible))
                for key, change in found.items
                if concerns(change, visible)
            ],
            page_info=page_info("log", found),
        )


def signal_type(signal: signals.Signal) -> Signal:
    return Signal(
        id=strawberry.ID(signal.id),
        kind=signal.kind,
        family=signal.family,
        department=signal.department,
        title=signal.title,
        summary=signal.summary,
        body=signal.body,
        url=signal.url,
        external_id=signal.external_id,
        revision=signal.revision,
        origin=signal.origin,
        occurred_at=signal.occurred_at,
        received_at=signal.received_at,
        updated_at=signal.updated_at,
        severity=signal.severity,
        status=signal.status,
        classification=signal.classification,
        sentiment=signal.sentiment,
        account=account_type(signal.account) if signal.account else None,
        author=person_type(signal.author) if signal.author else None,
        owner=person_type(signal.owner) if signal.owner else None,
        labels=list(signal.labels),
        attributes=JSON(signal.attributes),
        thread=signal.thread,
        outline=signal.is_outline,
        source_name=signal.source,
    )


def reasons_type(relevance: signals.Relevance) -> list[Reason]:
    return [Reason(name=r.name, weight=r.weight, evidence=r.evidence) for r in relevance.reasons]


def relevance_type(relevance: signals.Relevance) -> Relevance:
    return Relevance(
        role=relevance.role,
        score=relevance.score,
        reasons=reasons_type(relevance),
        outcome=relevance.outcome,
    )


def concerns(change: LogChange, visible: Condition) -> bool:
    """Say whether a viewer hears of a change: who could see the signal before, or can now."""
    return holds(visible, change.now) or (change.was is not None and holds(visible, change.was))


async def said_by(
    info: Info, connection: Connection, changes: Sequence[LogChange]
) -> dict[str, Mapping[str, Any]]:
    """Read what the versions said that these changes made, by id, as far as it may be read.

    That is where the viewer may read the signal as it became, and as it is now: what was too open
    once and was closed since is closed here too.
    """
    readable = info.context.readable or info.context.visible
    made = {
        change.revision_id: change.signal_id
        for change in changes
        if change.revision_id and holds(readable, change.now)
    }
    known = await ids_of(connection, set(made.values()), readable)
    return await revisions(connection, [id_ for id_, signal in made.items() if signal in known])


def change_type(change: LogChange, said: Mapping[str, Any], visible: Condition) -> Change:
    """Show a change as far as the viewer may see what the signal became.

    Who could see it only before hears that it changed, and not into what.
    """
    open_to_viewer = holds(visible, change.now) or change.was is None
    facts = change.now if open_to_viewer or change.was is None else change.was
    revision = said.get(change.revision_id or "")
    return Change(
        cursor=log_cursor(change.seq),
        seq=change.seq,
        type=change.type,
        at=change.at,
        signal_id=strawberry.ID(change.signal_id),
        kind=facts.kind,
        status=signals.Status(facts.status),
        revision=revision["revision"] if revision else None,
        title=revision["data"].get("title") if revision else None,
    )
