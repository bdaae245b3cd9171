"""Judges what is stored anew after the roles have changed, newest first, quietly."""

import logging
from datetime import timedelta

from hub.route import Router
from hub.signals import Signal, now
from hub.store import Store
from hub.store.relevance import (
    day_of,
    outcomes_of,
    relevance_seqs,
    save_relevance,
)
from hub.store.signals import recent
from hub.store.turns import among_writers

WINDOW = timedelta(days=30)
BATCH = 200

logger = logging.getLogger(__name__)


async def rescore(store: Store, router: Router) -> int:
    """Store the new relevance of the last 30 days' signals; nothing is delivered for it."""
    since, after, judged = now() - WINDOW, None, 0
    while True:
        async with store.write() as connection:
            await among_writers(connection)
            signals: list[Signal] = await recent(connection, since, after, BATCH)
            if not signals:
                break
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
        judged += len(signals)
        after = (signals[-1].occurred_at, signals[-1].id)
    logger.info("roles changed: judged anew", extra={"signals": judged})
    return judged
