"""Lists of accounts and of people, as connections."""

from typing import Annotated

import strawberry

from hub.graphql.context import Info
from hub.graphql.relay import PageInfo, page_info, window, write_cursor
from hub.graphql.types import Account, Person
from hub.store.names import names_page
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


@strawberry.type(description="A person and their cursor.")
class PersonEdge:
    cursor: str = strawberry.field(description="Where to go on.")
    node: Person = strawberry.field(description="The person.")


@strawberry.type(description="A page of people.")
class PersonConnection:
    edges: list[PersonEdge] = strawberry.field(description="The people by name.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


async def read_accounts(
    info: Info, search: str | None, first: int | None, after: str | None
) -> AccountConnection:
    visible = info.context.visible
    asked = window("accounts", _WORDS_AND_ID, first, after, None, None)
    async with info.context.runtime.store.read() as connection:
        found = await names_page(connection, AccountRow, visible, search, asked)
    return AccountConnection(
        edges=[
            AccountEdge(
                cursor=write_cursor("accounts", key),
                node=Account(id=strawberry.ID(id_), name=name),
            )
            for key, (id_, name) in found.items
        ],
        page_info=page_info("accounts", found),
    )


async def read_people(
    info: Info, search: str | None, first: int | None, after: str | None
) -> PersonConnection:
    visible = info.context.visible
    asked = window("people", _WORDS_AND_ID, first, after, None, None)
    async with info.context.runtime.store.read() as connection:
        found = await names_page(connection, PersonRow, visible, search, asked)
    return PersonConnection(
        edges=[
            PersonEdge(
                cursor=write_cursor("people", key),
                node=Person(id=strawberry.ID(id_), name=name),
            )
            for key, (id_, name) in found.items
        ],
        page_info=page_info("people", found),
    )
