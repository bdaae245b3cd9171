"""Judges what is stored anew after the roles have changed, newest first, quietly."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta

from hub.access import Always
from hub.route import Router, facts_of
from hub.signals import ChangeType, Signal, now
from hub.store import Connection, Store, log
from hub.store.clock import clock
from hub.store.relevance import (
    day_of,
    outcomes_of,
    relevance_seqs,
    save_relevance,
    scores_of,
)
from hub.store.signals import by_ids, recent
from hub.store.snapshots import applied, apply
from hub.store.turns import among_writers

WINDOW = timedelta(days=30)
BATCH = 200

logger = logging.getLogger(__name__)


async def rescore(store: Store, router: Router, doing: str) -> bool:
    """Store the new relevance of the last 30 days' signals; nothing is delivered for it.

    `doing` is what the store says is under way. Says whether it was done: not where something else
    is by now, which begins with the first signal again.
    """
    since, after, judged = now() - WINDOW, None, 0
    while True:
        async with store.write() as connection:
            await among_writers(connection)
            await log.hold(connection)
            if await applied(connection, "roles") != doing:
                return False
            signals: list[Signal] = await recent(connection, since, after, BATCH)
            if not signals:
                break
            await _judge(connection, signals, router)
            await apply(connection, "roles", doing, await clock(connection))
        judged += len(signals)
        after = (signals[-1].occurred_at, signals[-1].id)
    logger.info("roles changed: judged anew", extra={"signals": judged})
    return True


async def rescore_after(store: Store, router: Router, seq: int) -> None:
    """Judge anew what the log has had since a number, and not what comes after this call.

    Whose scores are others now has a line that says so: followers were told the old ones.
    """
    end = None
    while True:
        async with store.write() as connection:
            await among_writers(connection)
            head = await log.hold(connection)
            end = head if end is None else end
            changes = await log.after(connection, seq, BATCH) if seq < end else []
            if not changes:
                return
            ids = sorted({change.signal_id for change in changes})
            signals = await by_ids(connection, ids, Always())
            before = await scores_of(connection, ids)
            await _judge(connection, list(signals.values()), router)
            after = await scores_of(connection, ids)
            others = [one for one in signals.values() if before.get(one.id) != after.get(one.id)]
            await _tell(connection, others, before, after)
        seq = changes[-1].seq


async def _tell(
    connection: Connection,
    signals: Sequence[Signal],
    before: Mapping[str, Mapping[str, float]],
    after: Mapping[str, Mapping[str, float]],
) -> None:
    """Write into the log that signals matter otherwise now."""
    if not signals:
        return
    first = await log.take_numbers(connection, len(signals))
    at = await clock(connection)
    await log.append(
        connection,
        [
            log.Change(
                seq,
                one.id,
                None,
                ChangeType.UPDATED,
                at,
                facts_of(one, before.get(one.id)),
                facts_of(one, after.get(one.id)),
            )
            for seq, one in enumerate(signals, first)
        ],
    )


async def _judge(connection: Connection, signals: Sequence[Signal], router: Router) -> None:
    """Replace what was decided. The log is held: nobody stores a newer version meanwhile."""
    ids = [signal.id for signal in signals]
    seqs = await relevance_seqs(connection, ids)
    sent = await outcomes_of(connection, ids)
    rows = [
        (
            signal.id,
            day_of(signal.occurred_at, signal.received_at),
            seqs[signal.id],
            relevance.quiet(sent.get((signal.id, relevance.role))),
        )
        for signal in signals
        for relevance in router.audience(signal)
        if signal.id in seqs
    ]
    await save_relevance(connection, rows, replaced=ids)
