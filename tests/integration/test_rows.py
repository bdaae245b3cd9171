"""Rows that are written and looked for in numbers are those that one by one would be."""

from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from hub.store import Store, open_store
from hub.store.columns import among
from hub.store.insert import Insert
from hub.store.tables import ChangeRow, RelevanceRow, table
from hub.store.whole import Whole

AT = datetime(2026, 11, 2, 8, 30, 0, 7, tzinfo=timezone(timedelta(hours=2)))
CHANGES: tuple[tuple[Any, ...], ...] = (
    (1, "a", None, "created", AT, None, {"labels": ["ä", 'q"'], "scores": {"sales": 0.5}}),
    (2, "b", "r", "updated", datetime(1970, 1, 1, tzinfo=UTC), {}, {"x": [None, True, 1.5]}),
)


@pytest.fixture
async def store(database_url: str) -> AsyncGenerator[Store]:
    async with open_store(database_url) as store:
        yield store


async def test_a_prebuilt_insert_writes_what_sqlalchemy_does(store: Store) -> None:
    changes = table(ChangeRow)
    names = tuple(changes.columns.keys())
    async with store.write() as connection:
        await Insert(changes, names).rows(connection, CHANGES)
        await Insert(changes, names).rows(connection, [])
        raw = select(text("*")).select_from(changes).order_by(changes.c.seq)
        ours = (await connection.execute(raw)).all()
        await connection.execute(changes.delete())
        rows = [dict(zip(names, row, strict=True)) for row in CHANGES]
        await connection.execute(insert(changes), rows)
        assert (await connection.execute(raw)).all() == ours
        read = (await connection.execute(select(changes).order_by(changes.c.seq))).all()
    assert [tuple(row) for row in read] == list(CHANGES)


async def test_among_finds_what_in_finds_and_by_the_index(store: Store) -> None:
    names = ["1", "3", "none", "é'", "1"]
    columns = ("signal_id", "role", "day", "score", "seq", "outcome", "reasons")
    rows: list[tuple[Any, ...]] = [
        (id_, "sales", 1, 0.5, 1, "sent", []) for id_ in ("1", "2", "3", "é'")
    ]
    signal_id = col(RelevanceRow.signal_id)
    async with store.write() as connection:
        await Insert(table(RelevanceRow), columns).rows(connection, rows)
        found = await connection.scalars(select(signal_id).where(among(signal_id, names)))
        assert set(found) == {"1", "3", "é'"}
        others = await connection.scalars(select(signal_id).where(~among(signal_id, names)))
        assert list(others) == ["2"]
        assert not (await connection.scalars(select(signal_id).where(among(signal_id, [])))).all()
        if store.is_sqlite:
            wanted = select(signal_id).where(among(signal_id, names)).compile(connection.engine)
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {wanted}", ("[]",))
            assert "SEARCH relevance" in " ".join(row.detail for row in plan)


async def test_a_statement_is_one_trip_to_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = 0
    execute = Whole._execute

    async def counted(self: Whole, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        nonlocal trips
        trips += 1
        return await execute(self, fn, *args, **kwargs)

    async with open_store(f"sqlite:///{tmp_path}/hub.db") as store, store.write() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (n INTEGER UNIQUE)")
        monkeypatch.setattr(Whole, "_execute", counted)
        await connection.exec_driver_sql("INSERT INTO t VALUES (?)", [(1,), (2,)])
        assert trips == 1
        rows = await connection.exec_driver_sql("UPDATE t SET n = n + 5 RETURNING n")
        assert [row.n for row in rows] == [6, 7]
        assert trips == 2
        with pytest.raises(IntegrityError, match="UNIQUE"):
            await connection.exec_driver_sql("INSERT INTO t VALUES (6)")
