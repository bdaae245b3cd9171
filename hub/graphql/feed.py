"""Lists of signals and what a role should hear of them, as connections."""

import strawberry

from hub import signals
from hub.access import Condition, Not, Says, all_of, any_of, reads, sees
from hub.errors import Code, Refused
from hub.graphql.context import Info
from hub.graphql.enums import Order
from hub.graphql.listing import AT_AND_ID, Listing
from hub.graphql.metadata import COUNTS_ALL
from hub.graphql.relay import Day, PageInfo, Part, log_cursor, page_info, window, write_cursor
from hub.graphql.stored import StoredSignal
from hub.graphql.types import Reason, Signal, reasons_type, signal_type
from hub.outline import weighed
from hub.store.about import Asked
from hub.store.names import Row as NameRow
from hub.store.pages import Found, Key, count_feed, feed_page, search_page, signals_page
from hub.store.rows import Row, signal_rows
from hub.store.stats import count_signals


@strawberry.type(description="A signal and its cursor.")
class SignalEdge:
    cursor: str = strawberry.field(description="Where to go on.")
    node: Signal = strawberry.field(description="The signal.")


class StoredEdge(SignalEdge):
    """An edge whose cursor is written, and whose signal is made, when somebody looks."""

    def __init__(self, kind: str, key: Key, row: Row) -> None:
        self._kind, self._key, self._row = kind, key, row

    @property
    def cursor(self) -> str:  # type: ignore[override]  # ty: ignore[incompatible-property-override]  # nobody sets it
        return write_cursor(self._kind, self._key)

    @property
    def node(self) -> Signal:  # type: ignore[override]  # ty: ignore[incompatible-property-override]  # nobody sets it
        return StoredSignal(self._row)


@strawberry.type(description="A page of signals.")
class SignalConnection:
    edges: list[SignalEdge] = strawberry.field(description="The signals in their order.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")
    resume_from: str = strawberry.field(
        description="The log's cursor of this snapshot: `after` of the subscription that goes on."
    )
    condition: strawberry.Private[Condition]
    about: strawberry.Private[tuple[NameRow, str] | None] = None

    @strawberry.field(
        description="How many there are on all pages, that you may see; counted when selected.",
        directives=[COUNTS_ALL],
    )
    async def total_count(self, info: Info) -> int:
        if self.about is not None:
            rows, id_ = self.about
            counts = await info.context.loaders.departments.load((rows, self.condition, id_))
            return sum(counts.values())
        async with info.context.runtime.store.read() as connection:
            return await count_signals(connection, self.condition)


@strawberry.type(description="A signal, how much it matters to the role, and why.")
class FeedEdge:
    cursor: str = strawberry.field(description="Where to go on.")
    score: float = strawberry.field(description="From 0 to 1.")
    reasons: list[Reason] = strawberry.field(description="The parts of the score.")
    node: Signal = strawberry.field(description="The signal.")


@strawberry.type(description="A page of what a role should hear: by day, then score.")
class FeedConnection:
    edges: list[FeedEdge] = strawberry.field(description="The best of the newest day first.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")
    resume_from: str = strawberry.field(
        description="The log's cursor of this snapshot: `after` of the subscription that goes on."
    )
    role: strawberry.Private[str]
    least: strawberry.Private[float]

    @strawberry.field(
        description="How many there are on all pages, that you may see; counted when selected.",
        directives=[COUNTS_ALL],
    )
    async def total_count(self, info: Info) -> int:
        visible = feed_visible(info, self.role)
        async with info.context.runtime.store.read() as connection:
            return await count_feed(connection, visible, self.role, self.least)


async def read_signals(info: Info, asked: Listing) -> SignalConnection:
    # Before anything is read: of a configuration that comes meanwhile the cursor must not tell.
    kind, condition, scope = asked.kind, asked.condition, info.context.scope
    if asked.best is not None:
        return await _read_best(info, asked, asked.best)
    if info.context.readable is not None:
        async with info.context.runtime.store.read() as connection:
            page = await signals_page(connection, condition, asked.order, asked.window)
        return _connection(info, kind, page, condition, scope)
    found = await signal_rows(info.context.runtime.store, condition, asked.order, asked.window)
    return SignalConnection(
        edges=[StoredEdge(kind, key, row) for key, row in found.items],
        page_info=page_info(kind, found),
        resume_from=log_cursor(found.head, scope),
        condition=condition,
    )


async def read_signals_of(
    info: Info, about: tuple[NameRow, str], condition: Condition, order: Order, part: Part
) -> SignalConnection:
    """Read a page of those about an account, or that name a person; with others' pages at once."""
    rows, id_ = about
    kind = f"signals:{rows.__tablename__}:{order}"
    asked = window(kind, AT_AND_ID, part.first, part.after, part.last, part.before)
    scope = info.context.scope
    found = await info.context.loaders.about.load((Asked(rows, condition, order, asked), id_))
    return _connection(info, kind, found, condition, scope, about)


def _connection(
    info: Info,
    kind: str,
    found: Found[signals.Signal],
    condition: Condition,
    scope: str,
    about: tuple[NameRow, str] | None = None,
) -> SignalConnection:
    """Show a page of whole signals, as far as the viewer may read each."""
    return SignalConnection(
        edges=[
            SignalEdge(cursor=write_cursor(kind, key), node=signal_type(info.context.shown(signal)))
            for key, signal in found.items
        ],
        page_info=page_info(kind, found),
        resume_from=log_cursor(found.head, scope),
        condition=condition,
        about=about,
    )


async def _read_best(info: Info, asked: Listing, says: Says) -> SignalConnection:
    scope = info.context.scope
    async with info.context.runtime.store.read() as connection:
        found = await search_page(connection, asked.condition, says, asked.window)
    return _connection(info, asked.kind, found, all_of(asked.condition, says), scope)


async def read_feed(info: Info, role: str, least: float | None, part: Part) -> FeedConnection:
    name = info.context.role(role)
    kind = f"feed:{name}"
    asked = window(kind, (Day, float, int), part.first, part.after, part.last, part.before)
    from_, scope = least_score(info, name, least), info.context.scope
    async with info.context.runtime.store.read() as connection:
        found = await feed_page(connection, feed_visible(info, name), name, from_, asked)
    return FeedConnection(
        edges=[
            FeedEdge(
                cursor=write_cursor(kind, key),
                score=relevance.score,
                reasons=reasons_type(relevance),
                node=signal_type(signal),
            )
            for key, item in found.items
            for signal in [info.context.shown(item.signal)]
            for relevance in [weighed(item.relevance, is_outline=signal.is_outline)]
        ],
        page_info=page_info(kind, found),
        resume_from=log_cursor(found.head, scope),
        role=name,
        least=from_,
    )


def feed_visible(info: Info, role: str) -> Condition:
    """Say what of a role's feed the viewer may see: what both the viewer and the role may.

    What the role reads it judged by its words: its place in the feed would tell of these, so it
    is there for those who read it too.
    """
    rule, readable = info.context.config.roles[role].rule, info.context.readable
    if readable is None:
        return all_of(info.context.visible, sees(rule))
    return any_of(
        all_of(readable, sees(rule)), all_of(info.context.visible, sees(rule), Not(reads(rule)))
    )


def least_score(info: Info, role: str, least: float | None) -> float:
    """Give the score from which a role hears of a signal, unless the caller says another."""
    if least is None:
        return info.context.config.roles[role].threshold
    if not 0 <= least <= 1:
        raise Refused(Code.INVALID, "minScore must be between 0 and 1")
    return least
