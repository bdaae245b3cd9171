"""The page as anybody would build it: Strawberry's ASGI app, SQLModel, one good query, plain types.

As the documentation of both shows it, and no worse: only the columns that are asked for are read,
in one query, with the hub's own indexes, pool sizes and pragmas; and the key is only compared.
"""

from datetime import datetime
from typing import Any

import strawberry
from sqlalchemy import event, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import aliased
from sqlmodel import col
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.types import Info

from hub.kinds import Department, Severity
from hub.signals import Status
from hub.store import database_url
from hub.store.engine import SQLITE_PRAGMAS
from hub.store.tables import AccountRow, PersonRow, SignalRow

strawberry.enum(Department)
strawberry.enum(Severity)
strawberry.enum(Status, name="SignalStatus")

Author = aliased(PersonRow)


@strawberry.type
class Account:
    name: str


@strawberry.type
class Person:
    name: str


@strawberry.type
class Source:
    name: str


@strawberry.type
class Signal:
    id: strawberry.ID
    kind: str
    department: Department
    title: str
    summary: str
    url: str | None
    severity: Severity
    status: Status
    sentiment: float | None
    occurred_at: datetime
    account: Account | None
    author: Person | None
    source: Source


@strawberry.type
class SignalEdge:
    node: Signal


@strawberry.type
class SignalConnection:
    edges: list[SignalEdge]


@strawberry.input
class SignalFilter:
    kinds: list[str] | None = None
    departments: list[Department] | None = None
    sources: list[str] | None = None
    statuses: list[Status] | None = None
    min_severity: Severity | None = None
    occurred_after: datetime | None = None
    occurred_before: datetime | None = None


@strawberry.type
class Query:
    @strawberry.field
    async def signals(
        self,
        info: Info[Any, None],
        first: int,
        filter: SignalFilter | None = None,  # noqa: A002
    ) -> SignalConnection:
        statement = (
            select(
                col(SignalRow.id),
                col(SignalRow.kind),
                col(SignalRow.department),
                col(SignalRow.title),
                col(SignalRow.summary),
                col(SignalRow.url),
                col(SignalRow.severity),
                col(SignalRow.status),
                col(SignalRow.sentiment),
                col(SignalRow.occurred_at),
                col(AccountRow.name).label("account"),
                col(Author.name).label("author"),
                col(SignalRow.source),
            )
            .outerjoin(AccountRow, col(AccountRow.id) == col(SignalRow.account_id))
            .outerjoin(Author, col(Author.id) == col(SignalRow.author_id))
            .where(*_access(), *(_narrow(filter) if filter else ()))
            .order_by(col(SignalRow.occurred_at).desc(), col(SignalRow.id).desc())
            .limit(first)
        )
        async with AsyncSession(info.context["engine"]) as session:
            rows = await session.execute(statement)
            return SignalConnection(edges=[SignalEdge(node=_signal(row)) for row in rows])


def _access() -> list[Any]:
    kind = col(SignalRow.kind)
    hidden = (kind == "people.departure", kind.startswith("sales.lead."), kind.startswith("goal."))
    return [col(SignalRow.classification) <= 1, not_(or_(*hidden))]


def _narrow(given: SignalFilter) -> list[Any]:
    parts: list[Any] = []
    if given.kinds is not None:
        exact = [kind for kind in given.kinds if not kind.endswith(".*")]
        starts = [kind[:-1] for kind in given.kinds if kind.endswith(".*")]
        kind = col(SignalRow.kind)
        parts.append(or_(kind.in_(exact), *(kind.startswith(start) for start in starts)))
    if given.departments is not None:
        parts.append(col(SignalRow.department).in_(given.departments))
    if given.sources is not None:
        parts.append(col(SignalRow.source).in_(given.sources))
    if given.statuses is not None:
        parts.append(col(SignalRow.status).in_(given.statuses))
    if given.min_severity is not None:
        parts.append(col(SignalRow.severity) >= int(given.min_severity))
    if given.occurred_after is not None:
        parts.append(col(SignalRow.occurred_at) >= given.occurred_after)
    if given.occurred_before is not None:
        parts.append(col(SignalRow.occurred_at) < given.occurred_before)
    return parts


def _signal(row: Any) -> Signal:
    return Signal(
        id=strawberry.ID(row.id),
        kind=row.kind,
        department=Department(row.department),
        title=row.title,
        summary=row.summary,
        url=row.url,
        severity=Severity(row.severity),
        status=Status(row.status),
        sentiment=row.sentiment,
        occurred_at=row.occurred_at,
        account=Account(name=row.account) if row.account else None,
        author=Person(name=row.author) if row.author else None,
        source=Source(name=row.source),
    )


def make_stock(database: str, key: str) -> ASGIApp:
    url = database_url(database)
    sqlite = url.get_backend_name() == "sqlite"
    sizes = {"pool_size": 4, "max_overflow": 0} if sqlite else {"pool_size": 10, "max_overflow": 10}
    engine = create_async_engine(url, **sizes)
    if sqlite:
        event.listen(engine.sync_engine, "connect", _prepare)

    class App(GraphQL[Any, None]):
        async def get_context(
            self, request: Request | WebSocket, response: Response | WebSocket
        ) -> Any:
            del response
            if request.headers.get("authorization") != f"Bearer {key}":
                raise PermissionError("sign in first")
            return {"engine": engine}

    return App(strawberry.Schema(query=Query))


def _prepare(connection: Any, _: object) -> None:
    for pragma in SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
