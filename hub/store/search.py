"""Full text: the words of every signal, and how both databases are asked for them.

SQLite has them in an FTS5 table, PostgreSQL as a tsvector. Both are given words that are cut
already, and both are asked the same; so they find the same, in the same order (decision 0023).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Text,
    case,
    cast,
    column,
    delete,
    literal,
    select,
)
from sqlalchemy import table as sql_table
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from hub.signals import Signal, iso
from hub.store.columns import among_given
from hub.store.driver import Prebuilt, execute_many, fetch
from hub.store.insert import Insert
from hub.store.tables import SearchedRow, SignalRow, UnmergedRow, table
from hub.words import GAP, LONGEST, Query, Term, words_of

# Of one signal. What is longer is found by what comes first; PostgreSQL takes no more.
MOST_WORDS: Final = 16_000
MOST_LETTERS: Final = 200_000
RECURRING: Final = 60  # letters of a text whose words are worth remembering

# The columns of FTS5, and the letters that PostgreSQL knows them by.
_FIELDS: Final = {"title": "A", "names": "B", "summary": "C", "body": "D"}
_TITLE: Final = ("title",)
_HEAD: Final = ("title", "names", "summary")
_ALL: Final = tuple(_FIELDS)
_GAPS: Final = re.compile(f"'{GAP}':\\d+[A-D] ?")

_INDEX = sql_table("search_index", column("rowid"))
_INSERT = Insert(table(SearchedRow), ("signal_id", "updated_at", "words"))
MERGED: Final = 500  # pages of the index in one transaction
_MERGE = "INSERT INTO search_index (search_index, rank) VALUES ('merge', ?)"
_GO = Prebuilt(delete(SearchedRow).where(among_given(col(SearchedRow.signal_id), "gone")))
_KNOW = "INSERT INTO searched (id, signal_id, updated_at) VALUES (?, ?, ?)"
# Not by an INSERT of what a SELECT finds: it may have many rows, so SQLite makes a savepoint for
# each, and FTS5 then writes a part of its index for each, to be merged with all the others.
_FILL = "INSERT INTO search_index (rowid, title, names, summary, body) VALUES (?, ?, ?, ?, ?)"


async def index(
    connection: AsyncConnection, created: Sequence[Signal], updated: Sequence[Signal]
) -> None:
    """Make signals known by their words; those that were known already by others no more."""
    await unindex(connection, [one.id for one in updated])
    every = [*created, *updated]
    if not every:
        return
    fields = [_fields(one) for one in every]
    if connection.dialect.name == "postgresql":
        rows = zip(every, map(_vector, fields), strict=True)
        await _INSERT.rows(connection, [(one.id, one.updated_at, words) for one, words in rows])
        return
    # Nobody else writes meanwhile. FTS5 takes rising numbers best.
    last = await fetch(connection, "SELECT coalesce(max(id), 0) FROM searched", ())
    numbered = list(enumerate(every, last[0][0] + 1))
    await execute_many(
        connection, _KNOW, [(number, one.id, iso(one.updated_at)) for number, one in numbered]
    )
    texts = [
        (number, *map(" ".join, given)) for (number, _), given in zip(numbered, fields, strict=True)
    ]
    await execute_many(connection, _FILL, texts)


async def unindex(connection: AsyncConnection, ids: Iterable[str]) -> None:
    """Take signals out; on SQLite a trigger takes their words along."""
    gone = list(ids)
    if gone:
        await _GO.rows(connection, gone=gone)


async def owe(connection: AsyncConnection) -> None:
    """Note that words were taken out which SQLite's index still has in older parts of itself."""
    if connection.dialect.name == "sqlite":
        await connection.execute(insert(UnmergedRow).on_conflict_do_nothing(), [{"id": 1}])


def _fields(signal: Signal) -> list[list[str]]:
    """Give the words of each field, in the order of `_FIELDS`."""
    names = [signal.account.name] if signal.account else []
    more = [one.name for one in (signal.author, signal.owner) if one]
    more += _leaves(signal.attributes)
    fields = [
        words_of(signal.title),
        _apart(map(_short, (*names, *signal.labels))),
        words_of(signal.summary),
        _apart((words_of(signal.body or ""), _short(signal.external_id), *map(_short, more))),
    ]
    if sum(map(len, fields)) * LONGEST > MOST_LETTERS:
        _shorten(fields)
    return fields


@lru_cache(maxsize=4096)
def _recurring(text: str) -> Sequence[str]:
    return words_of(text)


def _short(text: str) -> Sequence[str]:
    """Give the words of what comes again in other signals: names, labels, attributes."""
    return _recurring(text) if len(text) <= RECURRING else words_of(text)


def _apart(texts: Iterable[Sequence[str]]) -> list[str]:
    """Join the words of texts that do not stand next to each other."""
    found: list[str] = []
    for words in texts:
        if words:
            if found:
                found.append(GAP)
            found += words
    return found


def _shorten(fields: Iterable[list[str]]) -> None:
    words, letters = MOST_WORDS, MOST_LETTERS
    for field in fields:
        for place, word in enumerate(field):
            if words <= 0 or letters <= 0:
                del field[place:]
                break
            words -= 1
            letters -= len(word)


def _leaves(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case bool() | None:
            return
        case int() | float():
            yield str(value)
        case Mapping():
            for part in value.values():
                yield from (part,) if type(part) is str else _leaves(part)
        case list() | tuple():
            for part in value:
                yield from (part,) if type(part) is str else _leaves(part)


def _vector(fields: Sequence[Sequence[str]]) -> str:
    """Write words as PostgreSQL reads them: each with its place, of which a gap takes one.

    A word that stands more than once is written as often: PostgreSQL puts its places together.
    """
    written: list[str] = []
    place = 0
    for words, letter in zip(fields, _FIELDS.values(), strict=True):
        if words:
            both = [""] * (2 * len(words))
            both[::2] = words
            both[1::2] = _places(letter, place, place + len(words))
            written.append(f"'{''.join(both)[:-1]}")
        place += len(words) + 1
    vector = "".join(written)
    return _GAPS.sub("", vector) if GAP in vector else vector


_ENDS: dict[str, list[str]] = {letter: [] for letter in _FIELDS.values()}


def _places(letter: str, first: int, end: int) -> Sequence[str]:
    """Give what stands between a word and the next: its place, from 1. A page has thousands."""
    known = _ENDS[letter]
    known += (f"':{place}{letter} '" for place in range(len(known) + 1, end + 1))
    return known[first:end]


def says(query: Query, *, sqlite: bool) -> ColumnElement[bool]:
    """Hold of the signals that have all of a query."""
    found = select(col(SearchedRow.signal_id)).where(_matches(query, _ALL, sqlite=sqlite))
    return col(SignalRow.id).in_(found)


def rank(query: Query, *, sqlite: bool) -> ColumnElement[int]:
    """Say how well a signal fits: by where the words stand, whether whole, whether together.

    It follows from the signal and the query alone: not from what others say, which would tell of
    those that may not be seen, and would move while somebody pages.
    """
    weights: dict[tuple[Query, tuple[str, ...]], int] = {}
    for fields, weight in ((_TITLE, 8), (_HEAD, 2), (_ALL, 1)):
        for asked in (query, query.exact, query.together):
            # Where two are the same question, it counts for both.
            weights[asked, fields] = weights.get((asked, fields), 0) + weight
    total: ColumnElement[int] = literal(0)
    for (asked, fields), weight in weights.items():
        total = total + case((_matches(asked, fields, sqlite=sqlite), weight), else_=0)
    return total


def _matches(query: Query, fields: tuple[str, ...], *, sqlite: bool) -> ColumnElement[bool]:
    if sqlite:
        asked = " AND ".join(_fts_term(one) for one in query.terms)
        scoped = asked if fields is _ALL else f"{{{' '.join(fields)}}} : ({asked})"
        name: ColumnElement[str] = column("search_index", is_literal=True)
        rows = select(_INDEX.c.rowid).where(name.op("MATCH")(literal(scoped)))
        return col(SearchedRow.id).in_(rows)
    letters = "" if fields is _ALL else "".join(_FIELDS[one] for one in fields)
    asked = " & ".join(_ts_term(one, letters) for one in query.terms)
    return col(SearchedRow.words).op("@@", is_comparison=True)(cast(literal(asked, Text), TSQUERY))


def _fts_term(term: Term) -> str:
    star = "*" if term.begins else ""
    forms = ('"' + " ".join(form) + '"' + star for form in term.forms)
    return f"({' OR '.join(forms)})"


def _ts_term(term: Term, letters: str) -> str:
    def word(one: str, star: str) -> str:
        return f"'{one}':{star}{letters}" if star or letters else f"'{one}'"

    forms = (
        " <-> ".join(
            [*(word(one, "") for one in form[:-1]), word(form[-1], "*" if term.begins else "")]
        )
        for form in term.forms
    )
    return f"({' | '.join(f'({form})' for form in forms)})"


def searched() -> ColumnElement[bool]:
    """Join a signal with its row here."""
    return col(SearchedRow.signal_id) == col(SignalRow.id)


async def without_words(connection: AsyncConnection, limit: int) -> list[str]:
    """Find signals that have no row here: stored by a version that did not know of search."""
    id_ = col(SignalRow.id)
    known = select(1).where(searched()).exists()
    return list(await connection.scalars(select(id_).where(~known).order_by(id_).limit(limit)))


async def outdated(connection: AsyncConnection, since: datetime, limit: int) -> list[str]:
    """Find signals that such a version changed since a time."""
    at = col(SignalRow.updated_at)
    wanted = (
        select(col(SignalRow.id))
        .join(SearchedRow, searched())
        .where(at >= since, at != col(SearchedRow.updated_at))
        .limit(limit)
    )
    return list(await connection.scalars(wanted))


async def merge(connection: AsyncConnection) -> bool:
    """Do a part of what lets SQLite's index forget what was taken out of it; False when done."""
    if connection.dialect.name != "sqlite" or not await connection.scalar(
        select(col(UnmergedRow.id))
    ):
        return False
    for pages in (-MERGED, MERGED):
        before = await _changes(connection)
        await connection.exec_driver_sql(_MERGE, (pages,))
        if await _changes(connection) - before >= 2:
            return True  # https://sqlite.org/fts5.html#the_merge_command
    await connection.execute(delete(UnmergedRow))
    return False


async def _changes(connection: AsyncConnection) -> int:
    counted = await connection.exec_driver_sql("SELECT total_changes()")
    return int(counted.scalar_one())
