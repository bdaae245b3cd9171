"""Databases as released versions left them, put onto either engine (`make.py` makes them)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import orjson
from sqlalchemy import JSON, Connection, DateTime, MetaData, Table, insert, select
from sqlmodel import SQLModel

import hub.store.tables  # noqa: F401 - declares the tables
from hub.store import Store
from hub.store.migrate import migrate

FOLDER = Path(__file__).parent
FIRST = {"0.1.0": "0001"}  # the schema of each version whose data are here


@dataclass(frozen=True)
class Released:
    """What a version left: rows as they were, and what its clients and its source remember."""

    about: dict[str, Any]
    rows: dict[str, list[dict[str, Any]]]

    @classmethod
    def read(cls, version: str) -> Self:
        about, *lines = (FOLDER / f"v{version}.jsonl").read_text().splitlines()
        rows: dict[str, list[dict[str, Any]]] = {}
        for line in map(json.loads, lines):
            rows.setdefault(line["table"], []).append(line["row"])
        return cls(json.loads(about), rows)

    @property
    def schema(self) -> str:
        return FIRST[self.about["version"]]

    async def put(self, store: Store) -> None:
        """Make the schema of that version, with its rows, in an empty database."""
        await migrate(store, self.schema)
        async with store.write() as connection:
            await connection.run_sync(self._insert)

    def _insert(self, connection: Connection) -> None:
        for name, rows in self.rows.items():
            table = reflected(connection, name)
            connection.execute(table.delete())
            connection.execute(insert(table), [dict(_typed(table, row)) for row in rows])

    async def found(self, store: Store) -> dict[str, list[dict[str, Any]]]:
        """Read the same tables and columns as they are now."""
        async with store.read() as connection:
            return await connection.run_sync(self._select)

    def _select(self, connection: Connection) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for name, rows in self.rows.items():
            table = SQLModel.metadata.tables[name]
            columns = [table.columns[column] for column in rows[0]]
            read = connection.execute(select(*columns).order_by(*table.primary_key))
            found[name] = [
                {key: _portable(value) for key, value in row._mapping.items()} for row in read
            ]
        return found


def reflected(connection: Connection, name: str) -> Table:
    """Give a table as the database has it, whatever the code of today declares."""
    return Table(name, MetaData(), autoload_with=connection)


def _typed(table: Table, row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Turn what JSON can hold into what the column takes."""
    for name, value in row.items():
        column = table.columns[name].type
        if value is not None and isinstance(column, DateTime):
            yield name, datetime.fromisoformat(value)
        elif isinstance(value, (dict, list)) and not isinstance(column, JSON):
            yield name, orjson.dumps(value).decode()
        else:
            yield name, value


def _portable(value: Any) -> Any:
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
