"""Column types that behave the same on SQLite and PostgreSQL."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from sqlalchemy import (
    Boolean,
    ColumnElement,
    DateTime,
    Dialect,
    String,
    TableValuedAlias,
    Text,
    TypeDecorator,
    func,
)
from sqlalchemy import column as sql_column
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import bindparam
from sqlalchemy.sql.functions import FunctionElement


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"a time without zone reached the store: {value}")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def sqlite_time(value: datetime) -> str:
    """Write an aware time so that texts compare as times do."""
    return _utc(value).isoformat(timespec="microseconds")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time; on SQLite, which keeps no zone, a text whose order is the time's."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        return dialect.type_descriptor(String(32))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        return _utc(value) if dialect.name == "postgresql" else sqlite_time(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name == "postgresql":
            return value  # type: ignore[no-any-return]
        return datetime.fromisoformat(value)


# Compared byte by byte on both engines, so that order and paging agree.
TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")


def json_text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


class JsonText(TypeDecorator[Any]):
    """JSON by orjson: jsonb on PostgreSQL, text on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(JSONB(none_as_null=True))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value  # the engine's json_serializer writes it
        return json_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return orjson.loads(value)


class _Texts(TypeDecorator[list[str]]):
    """Many texts as one parameter: an array on PostgreSQL, a JSON array on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(ARRAY(Text()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return orjson.dumps(value).decode()


class _Among(FunctionElement[bool]):
    name = "among"
    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> "_Among":
        """Stand alone in a WHERE clause: by default SQLite is asked for `... = 1`, and scans."""
        del against
        return self


def among(column: ColumnElement[Any] | Mapped[Any], texts: Iterable[str]) -> ColumnElement[bool]:
    """Compare as `column.in_(texts)` does, by a statement that is the same for any number of them.

    So it is prepared once: a list of parameters is another statement for every length.
    """
    return _Among(column, bindparam(None, sorted(set(texts)), _Texts, unique=True))


def among_given(column: ColumnElement[Any] | Mapped[Any], name: str) -> ColumnElement[bool]:
    """Compare as `among` does, with texts that are given when the statement is executed."""
    return _Among(column, given(name, _Texts))


def given(name: str, type_: Any = None) -> Any:
    """Name a value that is given when the statement is executed, whoever executes it."""
    return bindparam(name, None, type_)


def listed(texts: Iterable[str], *, sqlite: bool) -> TableValuedAlias:
    """Give texts as rows of one column `value`, as one parameter: see `among`."""
    given = bindparam(None, list(texts), _Texts, unique=True)
    each = func.json_each(given) if sqlite else func.unnest(given)
    rows = each.table_valued(sql_column("value", Text))
    return rows if sqlite else rows.render_derived()


class _HasOne(FunctionElement[bool]):
    name = "has_one"
    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> "_HasOne":
        """Stand alone in a WHERE clause, as `_Among` does."""
        del against
        return self


def has_one(array: ColumnElement[Any] | Mapped[Any], texts: Iterable[str]) -> ColumnElement[bool]:
    """Say, on SQLite, whether a JSON array of texts has one of these.

    Where none of them stands as it is, there is nothing to take apart, unless letters are escaped:
    which are is the choice of whoever wrote the JSON. Written as one element: of a query for each
    text SQLAlchemy makes many objects, and a filter may have hundreds.
    """
    wanted = sorted(set(texts))
    given = bindparam(None, wanted, _Texts, unique=True)
    stands = (bindparam(None, f'"{text}"', Text, unique=True) for text in wanted)
    return _HasOne(array, *stands, given)


@compiles(_HasOne, "sqlite")
def _has_one_sqlite(element: _HasOne, compiler: SQLCompiler, **options: Any) -> str:
    array, *stands, given = (compiler.process(one, **options) for one in element.clauses)
    written = " OR ".join(f"instr({array}, {one}) > 0" for one in (*stands, "'\\'"))
    return (
        f"(({written}) AND EXISTS (SELECT 1 FROM json_each({array}) "  # noqa: S608 - compiled
        f"WHERE value IN (SELECT value FROM json_each({given}))))"
    )


@compiles(_Among, "postgresql")
def _among_postgresql(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(one, **options) for one in element.clauses)
    return f"{column} = ANY ({texts})"


@compiles(_Among, "sqlite")
def _among_sqlite(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(one, **options) for one in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({texts}))"  # noqa: S608 - compiled


__all__ = ["TEXT", "JsonText", "UtcDateTime", "among", "among_given", "given", "has_one", "listed"]
