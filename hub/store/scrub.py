"""Rewrites stored texts in place, wherever a person may be mentioned beside the signals' rows."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import and_, delete, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel, col

from hub.store import search
from hub.store.identities import name_words
from hub.store.signals import read_signal, select_signals
from hub.store.tables import (
    AccountKeyRow,
    AccountRow,
    AttemptRow,
    ChangeRow,
    EndpointRow,
    KeyRow,
    PushRow,
    QuarantineRow,
    RelevanceRow,
    RevisionRow,
    SessionRow,
    SignalRow,
    SourceRow,
    table,
)

_BATCH: Final = 500

# Given the name of a column and its row, the value that is to stand there.
Rewrite = Callable[[str, Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A table with columns that may hold words, and the key of its rows."""

    rows: type[SQLModel]
    key: tuple[str, ...]
    columns: tuple[str, ...]
    beside: tuple[str, ...] = ()  # read with them, to know what they mean


PLACES: Final = (
    Place(RevisionRow, ("id",), ("data",), ("source",)),
    Place(ChangeRow, ("seq",), ("was", "now")),
    Place(RelevanceRow, ("signal_id", "role"), ("reasons",)),
    Place(QuarantineRow, ("id",), ("raw", "reason")),
    Place(PushRow, ("id",), ("url", "headers", "body")),
    Place(AttemptRow, ("delivery_id", "attempt"), ("response", "error")),
    Place(AccountRow, ("id",), ("name",)),
    Place(SourceRow, ("name",), ("last_error",)),
    Place(EndpointRow, ("id",), ("disabled_why",)),
    Place(KeyRow, ("id",), ("name", "person")),
    Place(SessionRow, ("digest",), ("claims",)),
)


def rewritten(body: bytes, rewrite: Callable[[Any], Any]) -> bytes:
    """Rewrite the words of a request's body: in JSON and in forms also those that are escaped."""
    text = body.decode(errors="replace")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if said is not None:
        new = rewrite(said)
        return body if new == said else json.dumps(new, ensure_ascii=False).encode()
    if (plain := rewrite(text)) != text:
        return str(plain).encode()
    fields = parse_qsl(text, keep_blank_values=True)
    words = [(rewrite(name), rewrite(value)) for name, value in fields]
    return body if words == fields else urlencode(words).encode()


async def rows_after(
    connection: AsyncConnection, place: Place, after: tuple[Any, ...] | None, limit: int
) -> list[Mapping[str, Any]]:
    """Read a place's words in the order of its keys."""
    columns = table(place.rows).c
    keys = [columns[name] for name in place.key]
    read = (columns[name] for name in (*place.columns, *place.beside))
    wanted = select(*keys, *read).order_by(*keys).limit(limit)
    if after is not None:
        beyond = tuple_(*(literal(v, k.type) for v, k in zip(after, keys, strict=True)))
        wanted = wanted.where(tuple_(*keys) > beyond)
    return [dict(row) for row in (await connection.execute(wanted)).mappings()]


async def rewrite_row(
    connection: AsyncConnection, place: Place, row: Mapping[str, Any], rewrite: Rewrite
) -> bool:
    """Rewrite a row as it stands by now; False where nothing of it changed."""
    columns = table(place.rows).c
    this = and_(*(columns[name] == row[name] for name in place.key))
    found = (
        (
            await connection.execute(
                select(*(columns[name] for name in (*place.columns, *place.beside)))
                .where(this)
                .with_for_update()
            )
        )
        .mappings()
        .first()
    )
    if found is None:
        return False
    changes = {
        name: new for name in place.columns if (new := rewrite(name, dict(found))) != found[name]
    }
    if changes and place.rows is AccountRow:
        changes["words"] = name_words(changes["name"])
    if changes:
        await connection.execute(update(place.rows).where(this).values(changes))
    if changes and place.rows is AccountRow:
        await _index_account(connection, row["id"])
    return bool(changes)


async def _index_account(connection: AsyncConnection, account: str) -> None:
    """Index the signals about an account anew: its name is among their words."""
    await search.owe(connection)
    id_ = col(SignalRow.id)
    after = ""
    while True:
        wanted = select_signals().where(col(SignalRow.account_id) == account, id_ > after)
        rows = list(await connection.execute(wanted.order_by(id_).limit(_BATCH)))
        if not rows:
            return
        after = rows[-1].id
        await search.index(connection, [], [read_signal(one) for one in rows])


async def remove_account_keys(
    connection: AsyncConnection, names: Callable[[str], bool], after: str, limit: int
) -> str | None:
    """Delete keys of accounts that name a person; give where to go on."""
    key = col(AccountKeyRow.key)
    keys = list(await connection.scalars(select(key).where(key > after).order_by(key).limit(limit)))
    if named := [one for one in keys if names(one)]:
        await connection.execute(delete(AccountKeyRow).where(key.in_(named)))
    return keys[-1] if keys else None
