"""Takes the words out of everything that is stored about a signal beside its own row."""

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.signals import Signal
from hub.store import log, search
from hub.store.pushes import erase_pushes
from hub.store.tables import AttemptRow, DeliveryRow, QuarantineRow, RevisionRow


async def redact(connection: AsyncConnection, signals: Sequence[Signal]) -> None:
    """Empty revisions, log lines, answers of receivers, raw records and pushes of these signals."""
    ids = sorted(signal.id for signal in signals)
    if not ids:
        return
    await empty_revisions(connection, ids)
    await search.owe(connection)
    await log.erase_labels(connection, ids)
    sent = select(col(DeliveryRow.id)).where(col(DeliveryRow.signal_id).in_(ids))
    await connection.execute(
        update(AttemptRow)
        .where(
            col(AttemptRow.delivery_id).in_(sent.scalar_subquery()),
            col(AttemptRow.response).is_not(None),
        )
        .values(response=None)
    )
    for source in sorted({signal.source for signal in signals}):
        own = [signal.external_id for signal in signals if signal.source == source]
        await erase_pushes(connection, source, own)
        named = _raw_ids(own)
        await connection.execute(
            delete(QuarantineRow).where(
                col(QuarantineRow.source) == source, col(QuarantineRow.external_id).in_(named)
            )
        )


async def empty_revisions(connection: AsyncConnection, signal_ids: Sequence[str]) -> None:
    """Take the content out of every version of these signals; that there were so many remains."""
    await connection.execute(
        update(RevisionRow).where(col(RevisionRow.signal_id).in_(signal_ids)).values(data={})
    )


def _raw_ids(external_ids: Iterable[str]) -> list[str]:
    """Give the ids that a record may have had before a connector made `ticket/7` of its `7`."""
    found: set[str] = set()
    for id_ in external_ids:
        found |= {id_, id_.rpartition("/")[2], id_.rpartition(":")[2]}
    return sorted(found)
