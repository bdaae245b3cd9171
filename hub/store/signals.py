"""Signals and their revisions: what ingest writes, and how a row becomes a signal again."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from orjson import Fragment
from sqlalchemy import Select, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.access import Condition
from hub.connector import Draft
from hub.kinds import Department, Severity
from hub.signals import Account, Classification, Origin, Person, Signal, Status
from hub.store import search
from hub.store.columns import among, among_given, given
from hub.store.driver import Prebuilt
from hub.store.insert import Insert, Update
from hub.store.tables import AccountRow, PersonRow, RevisionRow, SignalRow, table
from hub.store.visible import compile_condition

_SIGNALS = table(SignalRow)
_ACCOUNTS = table(AccountRow).alias("account")
_AUTHORS = table(PersonRow).alias("author")
_OWNERS = table(PersonRow).alias("owner")

_COLUMNS = tuple(_SIGNALS.columns.keys())
_INSERT = Insert(_SIGNALS, _COLUMNS)
_UPDATE = Update(_SIGNALS, _COLUMNS)
_INSERT_REVISIONS = Insert(
    table(RevisionRow),
    (
        "id",
        "signal_id",
        "source",
        "external_id",
        "revision",
        "revised_at",
        "received_at",
        "data",
    ),
)
_SEEN = Prebuilt(
    select(col(RevisionRow.external_id), col(RevisionRow.revision)).where(
        col(RevisionRow.source) == given("source"),
        among_given(col(RevisionRow.external_id), "ids"),
    )
)
# What of a draft its revision keeps in columns of its own.
_KEYS = {"external_id", "revision", "revised_at"}


def select_signals(*more: Any) -> Select[Any]:
    """Select whole signals, with their account and people joined; `more` columns follow."""
    return select(
        _SIGNALS,
        _ACCOUNTS.c.name.label("account_name"),
        _AUTHORS.c.name.label("author_name"),
        _OWNERS.c.name.label("owner_name"),
        *more,
    ).select_from(
        _SIGNALS.outerjoin(_ACCOUNTS, _ACCOUNTS.c.id == _SIGNALS.c.account_id)
        .outerjoin(_AUTHORS, _AUTHORS.c.id == _SIGNALS.c.author_id)
        .outerjoin(_OWNERS, _OWNERS.c.id == _SIGNALS.c.owner_id)
    )


_KEPT = select_signals().where(
    _SIGNALS.c.source == given("source"),
    among_given(_SIGNALS.c.external_id, "ids"),
)


def read_signal(row: Any) -> Signal:
    return Signal(
        id=row.id,
        source=row.source,
        external_id=row.external_id,
        revision=row.revision,
        kind=row.kind,
        department=Department(row.department),
        title=row.title,
        summary=row.summary,
        body=row.body,
        url=row.url,
        origin=Origin(row.origin),
        occurred_at=row.occurred_at,
        received_at=row.received_at,
        updated_at=row.updated_at,
        revised_at=row.revised_at,
        severity=Severity(row.severity),
        status=Status(row.status),
        classification=Classification(row.classification),
        sentiment=row.sentiment,
        account=Account(row.account_id, row.account_name) if row.account_id else None,
        author=Person(row.author_id, row.author_name) if row.author_id else None,
        owner=Person(row.owner_id, row.owner_name) if row.owner_id else None,
        labels=tuple(row.labels),
        attributes=row.attributes,
        thread=row.thread,
    )


async def by_external_ids(
    connection: AsyncConnection, source: str, external_ids: Iterable[str]
) -> dict[str, Signal]:
    """Find what the hub already keeps of these records, by external id."""
    rows = await connection.execute(_KEPT, {"source": source, "ids": list(external_ids)})
    return {row.external_id: read_signal(row) for row in rows}


async def seen_revisions(
    connection: AsyncConnection, source: str, external_ids: Iterable[str]
) -> set[tuple[str, str]]:
    """List every (external id, revision) stored for these records."""
    rows = await _SEEN.rows(connection, source=source, ids=list(external_ids))
    return {(external_id, revision) for external_id, revision in rows}


async def by_ids(
    connection: AsyncConnection, ids: Iterable[str], visible: Condition
) -> dict[str, Signal]:
    """Read the signals of these ids that a condition lets through."""
    condition = compile_condition(visible, sqlite=connection.dialect.name == "sqlite")
    rows = await connection.execute(select_signals().where(among(_SIGNALS.c.id, ids), condition))
    return {row.id: read_signal(row) for row in rows}


async def ids_of(connection: AsyncConnection, ids: Iterable[str], condition: Condition) -> set[str]:
    """Say of which of these ids a condition lets the signal through."""
    sqlite = connection.dialect.name == "sqlite"
    wanted = select(_SIGNALS.c.id).where(
        among(_SIGNALS.c.id, ids), compile_condition(condition, sqlite=sqlite)
    )
    return set(await connection.scalars(wanted))


async def revisions(
    connection: AsyncConnection, ids: Iterable[str]
) -> dict[str, Mapping[str, Any]]:
    """Read what revisions said, by revision id; an empty one was deleted at its source."""
    rows = await connection.execute(
        select(
            col(RevisionRow.id),
            col(RevisionRow.revision),
            col(RevisionRow.revised_at),
            col(RevisionRow.received_at),
            col(RevisionRow.data),
        ).where(among(col(RevisionRow.id), ids))
    )
    return {row.id: dict(row._mapping) for row in rows}  # noqa: SLF001 - it is public


async def ids_starting(connection: AsyncConnection, prefix: str, limit: int) -> list[str]:
    """Find the ids that begin with some letters, oldest first."""
    id_ = col(SignalRow.id)
    wanted = (
        select(id_)
        # Above every letter that an id is written with, and so the end of those that begin so.
        .where(id_ >= prefix, id_ < f"{prefix}~")
        .order_by(id_)
        .limit(limit)
    )
    return list(await connection.scalars(wanted))


async def revisions_of(connection: AsyncConnection, signal_id: str) -> list[Mapping[str, Any]]:
    """Read every version of a signal, by the source's clock, without what it said."""
    rows = await connection.execute(
        select(
            col(RevisionRow.id),
            col(RevisionRow.revision),
            col(RevisionRow.revised_at),
            col(RevisionRow.received_at),
        )
        .where(col(RevisionRow.signal_id) == signal_id)
        .order_by(col(RevisionRow.revised_at), col(RevisionRow.received_at), col(RevisionRow.id))
    )
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - it is public


async def recent(
    connection: AsyncConnection,
    since: datetime,
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[Signal]:
    """Read signals that occurred since a time, newest first, from before (time, id) on."""
    order = tuple_(_SIGNALS.c.occurred_at, _SIGNALS.c.id)
    wanted = (
        select_signals()
        .where(_SIGNALS.c.occurred_at >= since)
        .order_by(_SIGNALS.c.occurred_at.desc(), _SIGNALS.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        at, id_ = before
        wanted = wanted.where(order < tuple_(literal(at, _SIGNALS.c.occurred_at.type), id_))
    return [read_signal(row) for row in await connection.execute(wanted)]


async def save(
    connection: AsyncConnection, created: Sequence[Signal], updated: Sequence[Signal]
) -> None:
    await _INSERT.rows(connection, [_row(signal) for signal in created])
    await _UPDATE.rows(connection, [_row(signal) for signal in updated])
    await search.index(connection, created, updated)


async def save_revisions(
    connection: AsyncConnection, rows: Iterable[tuple[str, str, str, Draft]], at: datetime
) -> None:
    """Store (revision id, signal id, source, draft) rows, received at a time."""
    await _INSERT_REVISIONS.rows(
        connection,
        [
            (
                id_,
                signal_id,
                source,
                draft.external_id,
                draft.revision,
                draft.revised_at,
                at,
                Fragment(draft.model_dump_json(exclude=_KEYS, exclude_defaults=True)),
            )
            for id_, signal_id, source, draft in rows
        ],
    )


def _row(signal: Signal) -> tuple[Any, ...]:
    """Give the values of `_COLUMNS`."""
    return (
        signal.id,
        signal.source,
        signal.external_id,
        signal.revision,
        signal.kind,
        signal.department,
        signal.title,
        signal.summary,
        signal.body,
        signal.url,
        signal.origin,
        signal.occurred_at,
        signal.received_at,
        signal.updated_at,
        signal.revised_at,
        int(signal.severity),
        signal.status,
        int(signal.classification),
        signal.sentiment,
        signal.account.id if signal.account else None,
        signal.author.id if signal.author else None,
        signal.owner.id if signal.owner else None,
        signal.labels,
        signal.attributes,
        signal.thread,
    )
