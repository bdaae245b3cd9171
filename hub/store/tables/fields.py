"""How a column is written down, and how a row class gives its table."""

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, Table
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from hub.store.columns import TEXT, JsonText, UtcDateTime

# SQLite numbers rows by itself only where the type is INTEGER.
SEQ = BigInteger().with_variant(Integer, "sqlite")


def text(*, key: bool = False, null: bool = False) -> Any:
    return Field(sa_column=Column(TEXT, primary_key=key, nullable=null))


def when(*, null: bool = False) -> Any:
    return Field(sa_column=Column(UtcDateTime, nullable=null))


def json(*, null: bool = False) -> Any:
    return Field(sa_column=Column(JsonText, nullable=null))


def table(row: type[SQLModel]) -> Table:
    """Give the table of a row class, for Core statements over whole rows."""
    return SQLModel.metadata.tables[str(row.__tablename__)]


def where_set(name: str, column: str, *more: str) -> Index:
    """Index a column, and more, where it is not NULL."""
    is_set = sql(f"{column} IS NOT NULL")
    return Index(name, column, *more, sqlite_where=is_set, postgresql_where=is_set)
