"""Accounts and people: one each across all sources, with what the viewer may see of them."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from hub import signals
from hub.access import Condition, all_of
from hub.graphql.context import Info
from hub.graphql.enums import Department, Order
from hub.graphql.filters import FilterBy, SignalFilter
from hub.graphql.relay import After, Before, First, Last, Node, Part
from hub.store.names import Row
from hub.store.tables import AccountRow, PersonRow

if TYPE_CHECKING:
    from hub.graphql.feed import SignalConnection

OldestFirst = Annotated[
    bool, strawberry.argument(description="From the first that happened on; else from the last.")
]
Connection = Annotated["SignalConnection", strawberry.lazy("hub.graphql.feed")]


@strawberry.type(description="How many signals come from a department.")
class DepartmentCount:
    department: Department = strawberry.field(description="The department.")
    count: int = strawberry.field(description="How many of its signals you may see.")


@strawberry.federation.type(
    keys=["id"], description="A customer or prospect, one across all sources."
)
class Account(Node):
    name: str = strawberry.field(description="Its name, as first heard.")

    @strawberry.field(
        description="The signals about it that you may see, of every department and source."
    )
    async def signals(
        self,
        info: Info,
        filter: FilterBy = None,  # noqa: A002 - the API's name
        oldest_first: OldestFirst = False,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection:
        part = Part(first, after, last, before)
        return await _signals(
            info, AccountRow, str(self.id), filter, part, oldest_first=oldest_first
        )

    @strawberry.field(
        description="How many signals about it you may see, by department; departments without "
        "any are left out."
    )
    async def departments(self, info: Info, filter: FilterBy = None) -> list[DepartmentCount]:  # noqa: A002 - the API's name
        return await _departments(info, AccountRow, str(self.id), filter)


@strawberry.federation.type(keys=["id"], description="A human that a source named.")
class Person(Node):
    name: str = strawberry.field(description="The name.")

    @strawberry.field(
        description="The signals that you may see whose author or owner this person is."
    )
    async def signals(
        self,
        info: Info,
        filter: FilterBy = None,  # noqa: A002 - the API's name
        oldest_first: OldestFirst = False,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection:
        part = Part(first, after, last, before)
        return await _signals(
            info, PersonRow, str(self.id), filter, part, oldest_first=oldest_first
        )


def account_type(account: signals.Account) -> Account:
    return Account(id=strawberry.ID(account.id), name=account.name)


def person_type(person: signals.Person) -> Person:
    return Person(id=strawberry.ID(person.id), name=person.name)


async def _signals(
    info: Info, rows: Row, id_: str, given: SignalFilter | None, part: Part, *, oldest_first: bool
) -> "SignalConnection":
    from hub.graphql.feed import read_signals_of  # noqa: PLC0415 - a signal has accounts itself

    order = Order.OLDEST if oldest_first else Order.NEWEST
    within = _within(info, given)
    if rows is PersonRow:
        # Who wrote it, or is responsible for it, is not told of an outline.
        within = info.context.told(within)
    return await read_signals_of(info, (rows, id_), within, order, part)


async def _departments(
    info: Info, rows: Row, id_: str, given: SignalFilter | None
) -> list[DepartmentCount]:
    found = await info.context.loaders.departments.load((rows, _within(info, given), id_))
    return [DepartmentCount(department=of, count=found[of]) for of in Department if of in found]


def _within(info: Info, given: SignalFilter | None) -> Condition:
    visible = info.context.visible
    return all_of(visible, given.condition(info.context.told)) if given else visible
