"""What can be asked."""

from typing import Annotated

import strawberry

from hub import signals
from hub.errors import Code, Refused
from hub.graphql.audit import AuditConnection, read_audit
from hub.graphql.context import Info
from hub.graphql.enums import Order
from hub.graphql.feed import (
    FeedConnection,
    SignalConnection,
    read_feed,
    read_signals,
)
from hub.graphql.filters import FilterBy
from hub.graphql.keys import ApiKey, list_keys
from hub.graphql.listing import list_signals
from hub.graphql.log import read_changes
from hub.graphql.metadata import KEPT, LISTED, SORTS_ALL
from hub.graphql.named import Account, Person
from hub.graphql.names import (
    AccountConnection,
    NameSearch,
    PersonConnection,
    read_accounts,
    read_people,
)
from hub.graphql.nodes import find_nodes
from hub.graphql.relay import (
    PAGE,
    After,
    Before,
    First,
    IdOf,
    IdsOf,
    Last,
    MinScore,
    Node,
    Part,
    RoleName,
    SignalId,
    SourceName,
)
from hub.graphql.roles import Role, role_type
from hub.graphql.sources import Source, find_source, load_sources
from hub.graphql.stats import Every, GroupBy, StatsBucket, read_stats
from hub.graphql.types import (
    ChangeConnection,
    Relevance,
    Signal,
    relevance_type,
    signal_type,
)
from hub.graphql.viewer import Viewer, viewer_type
from hub.outline import weighed


@strawberry.type(description="What was decided for a role about a signal, and why.")
class Decision:
    role: str = strawberry.field(description="The role.")
    relevance: Relevance = strawberry.field(description="The score, its reasons, the outcome.")
    text: str = strawberry.field(description="The decision in words.")


SearchFor = Annotated[
    str | None,
    strawberry.argument(
        description="Only those that say this: words, beginnings (`escal*`) and phrases (in "
        "quotes); 300 characters at most. Case and accents do not matter; a word of three letters "
        "or more finds what begins with it. With `orderBy: RELEVANCE` the best match comes first."
    ),
]
OrderBy = Annotated[Order, strawberry.argument(description="In which order.")]


@strawberry.type(description="What can be asked.")
class Query:
    keys: list[ApiKey] = strawberry.field(
        resolver=list_keys, description="Every API key, in force or not; takes the admin scope."
    )
    audit: AuditConnection = strawberry.field(
        resolver=read_audit,
        description="What administrators did, newest first; takes the admin scope.",
    )

    @strawberry.field(description="Who am I, as what may I ask, and what may I see.")
    def viewer(self, info: Info) -> Viewer:
        return viewer_type(info.context)

    @strawberry.field(
        description="Find anything again by its id; null where it is not, for you.",
        metadata={KEPT: True},
    )
    async def node(self, info: Info, id: IdOf) -> Node | None:  # noqa: A002
        return (await find_nodes(info, [str(id)]))[0]

    @strawberry.field(
        description="Find many by id, in the order asked; as many as a page.", metadata={KEPT: True}
    )
    async def nodes(self, info: Info, ids: IdsOf) -> list[Node | None]:
        return await find_nodes(info, [str(id_) for id_ in ids])

    @strawberry.field(
        description="One signal; null where it is not, for you.", metadata={KEPT: True}
    )
    async def signal(self, info: Info, id: IdOf) -> Signal | None:  # noqa: A002
        found = await info.context.loaders.signal.load(str(id))
        return signal_type(found) if found else None

    @strawberry.field(
        description="The signals you may see.",
        metadata={KEPT: True, LISTED: list_signals},
    )
    async def signals(
        self,
        info: Info,
        filter: FilterBy = None,  # noqa: A002 - the API's name
        search: SearchFor = None,
        order_by: OrderBy = Order.NEWEST,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> SignalConnection:
        asked = list_signals(info.context, filter, search, order_by, first, after, last, before)
        return await read_signals(info, asked)

    @strawberry.field(
        description="How many of the signals you may see are of which sort; sorts without any are "
        "left out. More than 1,000 are refused, never cut short.",
        directives=[SORTS_ALL],
    )
    async def signal_stats(
        self,
        info: Info,
        group_by: GroupBy,
        filter: FilterBy = None,  # noqa: A002 - the API's name
        interval: Every = None,
    ) -> list[StatsBucket]:
        return await read_stats(info, filter, group_by, interval)

    @strawberry.field(description="The accounts that signals you may see are about, by name.")
    async def accounts(
        self,
        info: Info,
        search: NameSearch = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> AccountConnection:
        return await read_accounts(info, search, Part(first, after, last, before))

    @strawberry.field(description="One account; null where no signal that you may see is about it.")
    async def account(self, info: Info, id: IdOf) -> Account | None:  # noqa: A002
        found = (await find_nodes(info, [str(id)]))[0]
        return found if isinstance(found, Account) else None

    @strawberry.field(description="The people whom signals you may see name, by name.")
    async def people(
        self,
        info: Info,
        search: NameSearch = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> PersonConnection:
        return await read_people(info, search, Part(first, after, last, before))

    @strawberry.field(description="One person; null where no signal that you may see names them.")
    async def person(self, info: Info, id: IdOf) -> Person | None:  # noqa: A002
        found = (await find_nodes(info, [str(id)]))[0]
        return found if isinstance(found, Person) else None

    @strawberry.field(
        description="What a role should hear: the best of each day first.", metadata={KEPT: True}
    )
    async def feed(
        self,
        info: Info,
        role: RoleName,
        min_score: MinScore = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> FeedConnection:
        return await read_feed(info, role, min_score, Part(first, after, last, before))

    @strawberry.field(
        description="The log of changes, oldest first, for tools that keep a copy. Changes of "
        "signals that you may not see are left out.",
        metadata={KEPT: True},
    )
    async def changes(
        self, info: Info, after: After = None, first: First = None
    ) -> ChangeConnection:
        return await read_changes(info, after, PAGE if first is None else first)

    @strawberry.field(description="Every configured source, with its health.")
    async def sources(self, info: Info) -> list[Source]:
        info.context.reader()
        return await load_sources(info)

    @strawberry.field(description="One source by name.")
    async def source(self, info: Info, name: SourceName) -> Source | None:
        info.context.reader()
        return await find_source(info, name)

    @strawberry.field(description="The roles you may ask as; all of them with the admin scope.")
    def roles(self, info: Info) -> list[Role]:
        who, known = info.context.reader(), info.context.config.roles
        return [
            role_type(role) for role in known.values() if who.is_admin or role.name in who.roles
        ]

    @strawberry.field(description="One of your roles by name.")
    def role(self, info: Info, name: RoleName) -> Role | None:
        who, known = info.context.reader(), info.context.config.roles
        role = known.get(name)
        return role_type(role) if role and (who.is_admin or name in who.roles) else None

    @strawberry.field(
        description="Why each of your roles did or did not get a signal; all roles for admins.",
        metadata={KEPT: True},
    )
    async def decisions(self, info: Info, signal: SignalId) -> list[Decision]:
        who = info.context.viewer
        one = await info.context.loaders.signal.load(str(signal))
        if one is None:
            raise Refused(Code.NOT_FOUND, f"There is no signal {signal} that you may see")
        found = await info.context.loaders.relevance.load(str(signal))
        return [
            Decision(role=name, relevance=relevance_type(judged), text=_words(info, judged))
            for name, stored in found.items()
            if (who.is_admin or name in who.roles) and info.context.weighs(name, one)
            for judged in [weighed(stored, is_outline=one.is_outline)]
        ]


def _words(info: Info, relevance: signals.Relevance) -> str:
    role = info.context.config.roles.get(relevance.role)
    threshold = f"{role.threshold:g}" if role else "?"
    match relevance.outcome:
        case signals.Outcome.SENT:
            return f"Sent: {relevance.score:g} is at or above {threshold}"
        case signals.Outcome.BELOW_THRESHOLD:
            return f"Not sent: {relevance.score:g} is below {threshold}"
        case signals.Outcome.HISTORY:
            return "Not pushed: history, it happened before its source was to notify"
        case signals.Outcome.NOT_PERMITTED:
            return "Not sent: the role may not see it"
