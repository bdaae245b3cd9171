"""What was decided for each role about each signal; also the order of every feed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.signals import Outcome, Reason, Relevance
from hub.store.columns import among, among_given
from hub.store.driver import Prebuilt
from hub.store.insert import Insert
from hub.store.tables import RelevanceRow, table

_SECONDS_A_DAY = 86_400
_INSERT = Insert(
    table(RelevanceRow), ("signal_id", "role", "day", "score", "seq", "outcome", "reasons")
)

_GO = Prebuilt(delete(RelevanceRow).where(among_given(col(RelevanceRow.signal_id), "gone")))
_SCORES = Prebuilt(
    select(col(RelevanceRow.signal_id), col(RelevanceRow.role), col(RelevanceRow.score)).where(
        among_given(col(RelevanceRow.signal_id), "ids"),
        col(RelevanceRow.outcome) != str(Outcome.NOT_PERMITTED),
    )
)


def day_of(occurred_at: datetime, received_at: datetime) -> int:
    """Give the number of the UTC day that a signal stands under in a feed.

    A source whose clock runs ahead, or an event to come, does not sit above today's signals.
    """
    at = min(occurred_at, received_at).astimezone(UTC)
    return int(at.timestamp()) // _SECONDS_A_DAY


async def save_relevance(
    connection: AsyncConnection,
    rows: Sequence[tuple[str, int, int, Relevance]],
    replaced: Iterable[str],
) -> None:
    """Store (signal id, day, seq, relevance) rows; those of `replaced` signals go first."""
    gone = set(replaced)
    if gone:
        await _GO.rows(connection, gone=list(gone))
    # Many signals of a page matter for the same reasons, which are the same object.
    reasons = {id(one.reasons): one.reasons for *_, one in rows}
    told = {
        key: [(why.name, why.weight, why.evidence) for why in given]
        for key, given in reasons.items()
    }
    await _INSERT.rows(
        connection,
        [
            (signal_id, one.role, day, one.score, seq, one.outcome, told[id(one.reasons)])
            for signal_id, day, seq, one in rows
        ],
    )


def read_relevance(row: Any) -> Relevance:
    return Relevance(
        row.role,
        row.score,
        tuple(Reason(*reason) for reason in row.reasons),
        Outcome(row.outcome),
    )


async def relevance_of(
    connection: AsyncConnection, signal_ids: Iterable[str]
) -> dict[str, list[Relevance]]:
    """Read every role's relevance of these signals, the most concerned first."""
    rows = await connection.execute(
        select(table(RelevanceRow))
        .where(among(col(RelevanceRow.signal_id), signal_ids))
        .order_by(col(RelevanceRow.score).desc(), col(RelevanceRow.role))
    )
    found: dict[str, list[Relevance]] = {}
    for row in rows:
        found.setdefault(row.signal_id, []).append(read_relevance(row))
    return found


async def scores_of(
    connection: AsyncConnection, signal_ids: Iterable[str]
) -> Mapping[str, Mapping[str, float]]:
    """Read the stored scores of these signals, by signal and role."""
    found: dict[str, dict[str, float]] = {}
    for signal_id, role, score in await _SCORES.rows(connection, ids=list(signal_ids)):
        found.setdefault(signal_id, {})[role] = score
    return found


async def relevance_seqs(connection: AsyncConnection, signal_ids: Iterable[str]) -> dict[str, int]:
    """Read the seq under which each of these signals was last judged."""
    rows = await connection.execute(
        select(col(RelevanceRow.signal_id), func.max(col(RelevanceRow.seq)).label("seq"))
        .where(among(col(RelevanceRow.signal_id), signal_ids))
        .group_by(col(RelevanceRow.signal_id))
    )
    return {row.signal_id: row.seq for row in rows}


async def outcomes_of(
    connection: AsyncConnection, signal_ids: Iterable[str]
) -> dict[tuple[str, str], Outcome]:
    """Read what was decided about each (signal, role)."""
    rows = await connection.execute(
        select(
            col(RelevanceRow.signal_id), col(RelevanceRow.role), col(RelevanceRow.outcome)
        ).where(among(col(RelevanceRow.signal_id), signal_ids))
    )
    return {(row.signal_id, row.role): Outcome(row.outcome) for row in rows}
