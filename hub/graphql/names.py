"""Lists of accounts and of people, as connections."""

from typing import Annotated

import strawberry

from hub.graphql.context import Info
from hub.graphql.metadata import COUNTS_ALL
from hub.graphql.named import Account, Person
from hub.graphql.relay import PageInfo, Part, page_info, window, write_cursor
from hub.store.names import Names, count_names, names_page
from hub.store.pages import Found
from hub.store.tables import AccountRow, PersonRow

_WORDS_AND_ID = (str, str)

NameSearch = Annotated[
    str | None,
    strawberry.argument(description="Only those whose name has words that begin so."),
]


@strawberry.type(description="An account and its cursor.")
class AccountEdge:
    cursor: str = strawberry.field(description="Where to go on.")
    node: Account = strawberry.field(description="The account.")


@strawberry.type(description="A page of accounts.")
class AccountConnection:
    edges: list[AccountEdge] = strawberry.field(description="The accounts by name.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")
    names: strawberry.Private[Names]

    @strawberry.field(
        description="How many there are on all pages, that you may see; counted when selected.",
        directives=[COUNTS_ALL],
    )
    async def total_count(self, info: Info) -> int:
        return await _count(info, self.names)


@strawberry.type(description="A person and their cursor.")
class PersonEdge:
    cursor: str = strawberry.field(description="Where to go on.")
    node: Person = strawberry.field(description="The person.")


@strawberry.type(description="A page of people.")
class PersonConnection:
    edges: list[PersonEdge] = strawberry.field(description="The people by name.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")
    names: strawberry.Private[Names]

    @strawberry.field(
        description="How many there are on all pages, that you may see; counted when selected.",
        directives=[COUNTS_ALL],
    )
    async def total_count(self, info: Info) -> int:
        return await _count(info, self.names)


async def read_accounts(info: Info, search: str | None, part: Part) -> AccountConnection:
    names = Names(AccountRow, info.context.visible, search)
    found = await _page(info, "accounts", names, part)
    return AccountConnection(
        edges=[
            AccountEdge(
                cursor=write_cursor("accounts", key),
                node=Account(id=strawberry.ID(id_), name=name),
            )
            for key, (id_, name) in found.items
        ],
        page_info=page_info("accounts", found),
        names=names,
    )


async def read_people(info: Info, search: str | None, part: Part) -> PersonConnection:
    # Who wrote it, or is responsible for it, is not told of an outline.
    readable = info.context.told(info.context.visible)
    names = Names(PersonRow, readable, search)
    found = await _page(info, "people", names, part)
    return PersonConnection(
        edges=[
            PersonEdge(
                cursor=write_cursor("people", key),
                node=Person(id=strawberry.ID(id_), name=name),
            )
            for key, (id_, name) in found.items
        ],
        page_info=page_info("people", found),
        names=names,
    )


async def _page(info: Info, kind: str, names: Names, part: Part) -> Found[tuple[str, str]]:
    asked = window(kind, _WORDS_AND_ID, part.first, part.after, part.last, part.before)
    async with info.context.runtime.store.read() as connection:
        return await names_page(connection, names, asked)


async def _count(info: Info, names: Names) -> int:
    async with info.context.runtime.store.read() as connection:
        return await count_names(connection, names)
