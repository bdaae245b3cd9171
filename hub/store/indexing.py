"""Gives words to what has none: stored before the hub had a search, or by such a version since."""

from datetime import timedelta

from sqlalchemy import bindparam, select, update
from sqlmodel import col

from hub.access import Always
from hub.signals import now
from hub.store import search
from hub.store.engine import Store
from hub.store.identities import name_words
from hub.store.signals import by_ids
from hub.store.tables import AccountRow, PersonRow
from hub.store.turns import alone

BATCH = 500
OVERLAP = timedelta(days=2)  # for how long two versions may run side by side


async def index_again(store: Store) -> int:
    """Index all that is missing or outdated; give how many signals that were."""
    done = 0
    since = now() - OVERLAP
    while True:
        async with store.write() as connection:
            await alone(connection)
            ids = await search.without_words(connection, BATCH)
            ids = ids or await search.outdated(connection, since, BATCH)
            found = await by_ids(connection, ids, Always())
            await search.index(connection, [], list(found.values()))
        done += len(ids)
        if not ids:
            break
    for rows in (AccountRow, PersonRow):
        while await _name(store, rows):
            pass
    return done


async def _name(store: Store, rows: type[AccountRow | PersonRow]) -> int:
    id_, words = col(rows.id), col(rows.words)
    async with store.write() as connection:
        wanted = select(id_, col(rows.name)).where(words == "").limit(BATCH)
        found = [
            {"known": row.id, "now": name_words(row.name)}
            for row in await connection.execute(wanted)
        ]
        if found:
            change = update(rows).where(id_ == bindparam("known")).values(words=bindparam("now"))
            await connection.execute(change, found)
    return len(found)
