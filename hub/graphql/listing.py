"""A page of signals as it is asked for, before anything is read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hub.access import Condition, Says, all_of
from hub.errors import Code, Refused
from hub.graphql.context import Context
from hub.graphql.enums import Order
from hub.graphql.filters import SignalFilter
from hub.graphql.relay import Day, window
from hub.store.pages import Window
from hub.words import read_query

AT_AND_ID: Final = (datetime, str)
_SHAPES: Final[dict[Order, tuple[type, ...]]] = {
    Order.SEVERITY: (Day, *AT_AND_ID),
    Order.RELEVANCE: (Day, *AT_AND_ID),
}


@dataclass(frozen=True, slots=True)
class Listing:
    """Which part of which list. `kind`: what its cursors are of.

    `best`: what it is to say, the best first, where that is its order.
    """

    kind: str
    condition: Condition
    order: Order
    window: Window
    best: Says | None = None


def list_signals(
    context: Context,
    filter: SignalFilter | None = None,  # noqa: A002 - the API's name
    search: str | None = None,
    order_by: Order = Order.NEWEST,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> Listing:
    """Read the arguments of `signals`. Raises Refused for what it cannot take.

    It looks at them, at who asks and at the configuration, and at nothing else: so what it gives
    may be kept, see `hub.graphql.plans`.
    """
    kind = f"signals:{order_by}"
    condition = context.visible
    if filter is not None:
        condition = all_of(condition, filter.condition(context.told))
    says = None
    if search is not None:
        read_query(search)  # refused here, and not when it is asked
        condition, says = context.told(condition), Says(search)
    best = says if order_by is Order.RELEVANCE else None
    if order_by is Order.RELEVANCE and best is None:
        raise Refused(
            Code.INVALID, "orderBy: RELEVANCE takes a search", "Give one, or order by NEWEST"
        )
    if says is not None and best is None:
        condition = all_of(condition, says)
    shape = _SHAPES.get(order_by, AT_AND_ID)
    asked = window(kind, shape, first, after, last, before)
    return Listing(kind, condition, order_by, asked, best)
