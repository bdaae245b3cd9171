"""The audit through the API: what administrators did, newest first."""

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from hub.graphql.context import Info
from hub.graphql.enums import Act, Via
from hub.graphql.relay import After, Before, First, Last, Node, PageInfo, window, write_cursor
from hub.store.audit import Entry, entries

_SHAPE = (datetime, str)
_KIND = "audit"


@strawberry.type(description="One administrative act. It is never changed, nor deleted.")
class AuditEntry(Node):
    at: datetime = strawberry.field(description="When it was done.")
    actor: str = strawberry.field(
        description="Who did it: `key:<id>`, `oidc:...`, or a command and who ran it."
    )
    via: Via = strawberry.field(description="Through which door.")
    act: Act = strawberry.field(description="What was done.")
    subject: str | None = strawberry.field(description="To what: `key:<id>`, `source:<name>`...")
    before: JSON | None = strawberry.field(description="What of it was before, without secrets.")
    after: JSON | None = strawberry.field(description="What of it is since, without secrets.")


@strawberry.type(description="An act and its cursor.")
class AuditEdge:
    cursor: str = strawberry.field(description="Where to go on.")
    node: AuditEntry = strawberry.field(description="The act.")


@strawberry.type(description="A page of the audit.")
class AuditConnection:
    edges: list[AuditEdge] = strawberry.field(description="The acts, newest first.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


async def read_audit(
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> AuditConnection:
    info.context.admin()
    asked = window(_KIND, _SHAPE, first, after, last, before)
    async with info.context.runtime.store.read() as connection:
        found = await entries(
            connection,
            limit=asked.size + 1,
            after=asked.after,
            before=asked.before,
            backward=asked.backward,
        )
    more = len(found) > asked.size
    page = found[-asked.size :] if asked.backward else found[: asked.size]
    edges = [
        AuditEdge(cursor=write_cursor(_KIND, (one.at, one.id)), node=entry_type(one))
        for one in page
    ]
    return AuditConnection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=asked.before is not None if asked.backward else more,
            has_previous_page=more if asked.backward else asked.after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )


def entry_type(entry: Entry) -> AuditEntry:
    return AuditEntry(
        id=strawberry.ID(entry.id),
        at=entry.at,
        actor=entry.actor,
        via=entry.via,
        act=entry.act,
        subject=entry.subject,
        before=None if entry.before is None else JSON(entry.before),
        after=None if entry.after is None else JSON(entry.after),
    )
