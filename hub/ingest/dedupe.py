"""Keeps what is new: a revision is stored once, whichever page or push brings it, and again."""

from collections.abc import Mapping, Sequence

from hub import traces
from hub.connector import Draft
from hub.signals import Signal
from hub.store import Connection
from hub.store.signals import by_external_ids, seen_revisions
from hub.store.turns import take_turn


@traces.step
async def dedupe(
    connection: Connection, source: str, drafts: Sequence[Draft]
) -> tuple[list[Draft], dict[str, Signal]]:
    """Leave out the drafts whose revision is stored; give what is kept of the others' records.

    The unique key (source, external id, revision) is what decides; this only asks it first.
    """
    ids = {draft.external_id for draft in drafts}
    if not ids:
        return [], {}
    await take_turn(connection, source)
    seen = await seen_revisions(connection, source, ids)
    fresh: list[Draft] = []
    for draft in drafts:
        key = (draft.external_id, draft.revision)
        if key not in seen:
            seen.add(key)
            fresh.append(draft)
    if not fresh:
        return [], {}
    known = await by_external_ids(connection, source, {one.external_id for one in fresh})
    if any(draft.goes_on for draft in fresh):
        fresh = _changed(fresh, known)
    return fresh, known


def _changed(drafts: Sequence[Draft], known: Mapping[str, Signal]) -> list[Draft]:
    """Leave out what goes on as it was: named by another time, it says the same."""
    said = {id_: _content(signal.revision) for id_, signal in known.items()}
    changed: list[Draft] = []
    for draft in drafts:
        content = _content(draft.revision)
        if not (draft.goes_on and said.get(draft.external_id) == content):
            said[draft.external_id] = content
            changed.append(draft)
    return changed


def _content(revision: str) -> str:
    return revision.rpartition("/")[2]
