"""What is deleted because it was kept long enough: found by reading, deleted in short batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel, col

from hub.access import In
from hub.signals import Signal, Status
from hub.store import search
from hub.store.columns import TEXT, UtcDateTime
from hub.store.deliveries import DeliveryState
from hub.store.signals import read_signal, select_signals
from hub.store.tables import (
    AccountKeyRow,
    AccountRow,
    AttemptRow,
    ChangeRow,
    DeliveryRow,
    PersonKeyRow,
    PersonRow,
    PushRecordRow,
    PushRow,
    QuarantineRow,
    RelevanceRow,
    RevisionRow,
    SignalRow,
)
from hub.store.visible import compile_condition

_WHEN = UtcDateTime()


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """What is older than these times goes. A source's goes first, then the first kind that fits."""

    signals: datetime
    log: datetime
    raw: datetime
    deliveries: datetime
    sources: Mapping[str, datetime] = field(default_factory=dict)
    kinds: Mapping[str, datetime] = field(default_factory=dict)  # by pattern, the longest first


@dataclass(frozen=True, slots=True)
class Old:
    """A signal that is due to go, and its place in the order in which they go."""

    id: str
    updated_at: datetime


def _expired(cutoffs: Cutoffs, *, sqlite: bool) -> ColumnElement[bool]:
    updated = col(SignalRow.updated_at)
    rules = [
        *((col(SignalRow.source) == name, at) for name, at in cutoffs.sources.items()),
        *(
            (compile_condition(In("kind", frozenset({pattern})), sqlite=sqlite), at)
            for pattern, at in cutoffs.kinds.items()
        ),
    ]
    times = [at for _, at in rules]
    limit: ColumnElement[Any] = literal(cutoffs.signals, _WHEN)
    if rules:
        limit = case(*((rule, literal(at, _WHEN)) for rule, at in rules), else_=limit)
    # What is gone at its source is kept as long as the log says that it is gone.
    gone = and_(col(SignalRow.status) == Status.DELETED, updated < cutoffs.log)
    # The first part lets the index on updated_at end the search.
    return and_(updated < max([cutoffs.signals, cutoffs.log, *times]), or_(updated < limit, gone))


async def old_signals(
    connection: AsyncConnection, cutoffs: Cutoffs, after: Old | None, limit: int
) -> list[Old]:
    """Find signals whose last change is too long ago, the longest first."""
    id_, at = col(SignalRow.id), col(SignalRow.updated_at)
    wanted = select(id_, at).where(_expired(cutoffs, sqlite=_is_sqlite(connection)))
    if after is not None:
        place = tuple_(literal(after.updated_at, _WHEN), literal(after.id, TEXT))
        wanted = wanted.where(tuple_(at, id_) > place)
    rows = await connection.execute(wanted.order_by(at, id_).limit(limit))
    return [Old(row.id, row.updated_at) for row in rows]


async def still_old(
    connection: AsyncConnection, cutoffs: Cutoffs, ids: Sequence[str]
) -> list[Signal]:
    """Read those of these signals that have not changed since they were found."""
    expired = _expired(cutoffs, sqlite=_is_sqlite(connection))
    rows = await connection.execute(
        select_signals().where(col(SignalRow.id).in_(ids), expired).order_by(col(SignalRow.id))
    )
    return [read_signal(row) for row in rows]


async def remove_signals(connection: AsyncConnection, ids: Sequence[str]) -> int:
    """Delete signals with all that hangs on them but the log; give how many deliveries went."""
    sent = list(
        await connection.scalars(
            select(col(DeliveryRow.id)).where(col(DeliveryRow.signal_id).in_(ids)).with_for_update()
        )
    )
    await _remove_deliveries(connection, sent)
    for row in (RelevanceRow, RevisionRow):
        await connection.execute(delete(row).where(col(row.signal_id).in_(ids)))
    await connection.execute(delete(SignalRow).where(col(SignalRow.id).in_(ids)))
    await search.unindex(connection, ids)
    await search.owe(connection)
    return len(sent)


@dataclass(frozen=True, slots=True)
class Owners:
    """Accounts or people: where they stand, and where signals name them."""

    rows: type[AccountRow | PersonRow]
    keys: type[AccountKeyRow | PersonKeyRow]
    named_in: tuple[Any, ...]


ACCOUNTS = Owners(AccountRow, AccountKeyRow, (col(SignalRow.account_id),))
PEOPLE = Owners(PersonRow, PersonKeyRow, (col(SignalRow.author_id), col(SignalRow.owner_id)))


def _strangers(owners: Owners) -> Select[Any]:
    id_ = col(owners.rows.id)
    named = (select(1).where(column == id_).exists() for column in owners.named_in)
    return select(id_).where(*(~one for one in named)).order_by(id_)


async def strangers(
    connection: AsyncConnection, owners: Owners, after: str, limit: int
) -> list[str]:
    """Find accounts or people that no signal names any more, beyond an id."""
    wanted = _strangers(owners).where(col(owners.rows.id) > after).limit(limit)
    return list(await connection.scalars(wanted))


async def remove_strangers(connection: AsyncConnection, owners: Owners, ids: Sequence[str]) -> int:
    """Delete those of these that still no signal names."""
    left = list(await connection.scalars(_strangers(owners).where(col(owners.rows.id).in_(ids))))
    await connection.execute(delete(owners.keys).where(col(owners.keys.owner_id).in_(left)))
    await connection.execute(delete(owners.rows).where(col(owners.rows.id).in_(left)))
    return len(left)


async def remove_old_deliveries(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete deliveries that were settled before a time, or that waited in vain since before it."""
    ids = list(
        await connection.scalars(
            select(col(DeliveryRow.id))
            .where(_old_delivery(before))
            .order_by(col(DeliveryRow.next_attempt_at))
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    )
    await _remove_deliveries(connection, ids)
    return len(ids)


def _old_delivery(before: datetime) -> ColumnElement[bool]:
    # What is settled was due before that: so the index of what is due finds it.
    state, due = col(DeliveryRow.state), col(DeliveryRow.next_attempt_at)
    over = [one for one in DeliveryState if one is not DeliveryState.PENDING]
    return and_(
        due < before,
        or_(
            and_(state.in_(over), col(DeliveryRow.settled_at) < before),
            # To an endpoint that is disabled, or that hub.toml no longer declares.
            and_(state == DeliveryState.PENDING, col(DeliveryRow.created_at) < before),
        ),
    )


async def _remove_deliveries(connection: AsyncConnection, ids: Sequence[str]) -> None:
    if ids:
        await connection.execute(delete(AttemptRow).where(col(AttemptRow.delivery_id).in_(ids)))
        await connection.execute(delete(DeliveryRow).where(col(DeliveryRow.id).in_(ids)))


async def remove_old_raw(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete records that could not be read and came first before a time."""
    id_ = col(QuarantineRow.id)
    old = select(id_).where(col(QuarantineRow.at) < before).order_by(id_).limit(limit)
    done = await connection.execute(delete(QuarantineRow).where(id_.in_(old.scalar_subquery())))
    return done.rowcount


async def remove_old_pushes(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete what was pushed before a time, read or not: its source may be gone long since."""
    at = col(PushRow.received_at)
    wanted = select(col(PushRow.id)).where(at < before).order_by(at).limit(limit)
    ids = list(await connection.scalars(wanted))
    if ids:
        await connection.execute(delete(PushRecordRow).where(col(PushRecordRow.push_id).in_(ids)))
        await connection.execute(delete(PushRow).where(col(PushRow.id).in_(ids)))
    return len(ids)


async def count_old(connection: AsyncConnection, cutoffs: Cutoffs) -> dict[str, int]:
    """Count what is due to go, by the name of the table in hub.toml's [retention]."""
    counted: dict[str, tuple[type[SQLModel], ColumnElement[bool]]] = {
        "signals": (SignalRow, _expired(cutoffs, sqlite=_is_sqlite(connection))),
        "log": (ChangeRow, col(ChangeRow.at) < cutoffs.log),
        "raw": (QuarantineRow, col(QuarantineRow.at) < cutoffs.raw),
        "deliveries": (DeliveryRow, _old_delivery(cutoffs.deliveries)),
    }
    found: dict[str, Any] = {}
    for name, (row, old) in counted.items():
        found[name] = await connection.scalar(select(func.count()).select_from(row).where(old))
    pushes = select(func.count()).where(col(PushRow.received_at) < cutoffs.raw)
    found["raw"] += await connection.scalar(pushes)
    return found


def _is_sqlite(connection: AsyncConnection) -> bool:
    return connection.dialect.name == "sqlite"
