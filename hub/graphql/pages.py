"""Compiles the selection of a page of signals to one function: from its rows to its JSON value.

    { edges { node { id at: occurredAt account { name } } } pageInfo { endCursor } }

becomes

    def page(page):
        rows = page.rows
        return {"edges": [{"node": {"id": c_id, "at": time_text(c_occurred_at), "account":
            (None if c_account_id is None else {"name": c_account_name})}}
            for c_id, c_occurred_at, c_account_id, c_account_name in rows],
            "pageInfo": {"endCursor": (cursor(rows[-1]) if rows else None)}}
"""

from collections.abc import Callable
from operator import itemgetter
from typing import Any, TypeAlias

from graphql import GraphQLList, GraphQLNonNull, GraphQLObjectType
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList
from strawberry.types.field import StrawberryField

from hub.graphql.columns import RowWriter, Unplain
from hub.graphql.listing import Listing
from hub.graphql.relay import log_cursor, write_cursor
from hub.graphql.stored import StoredSignal
from hub.store.pages import keys_of
from hub.store.rows import LOG_HEAD, PLACES, Rows

WritePage: TypeAlias = Callable[[Rows], Any]

_EACH = "@"  # where the columns of a row are named, once all are known; no name has one


class _Taken(dict[str, str]):
    """Names columns in the text, and remembers which: no other is read."""

    def __missing__(self, column: str) -> str:
        self[column] = f"c_{column}"
        return self[column]


class PageWriter(RowWriter):
    """Writes the function of one listing."""

    def __init__(
        self, executor: Executor[Any], asked: Listing, scope: str, *, sqlite: bool
    ) -> None:
        super().__init__(executor, at=_Taken())
        self.kind = asked.kind
        self.keys = keys_of(asked.order)
        self.names |= StoredSignal.names
        self.names |= {"write_cursor": write_cursor, "log_cursor": log_cursor, "scope": scope}
        if not sqlite:
            # What PostgreSQL gives is a datetime, which orjson writes as isoformat does.
            self.names["time_text"] = _as_it_is

    def compiled(self, type_: Any, details: FieldDetailsList) -> tuple[list[str], WritePage]:
        """Give the columns to read, and the function of a page. Raises Unplain."""
        data = self.page(_object(type_), details)
        columns = [name for name in (*PLACES, LOG_HEAD) if name in self.at] or ["id"]
        each = "".join(f"{self.at[name]}, " for name in columns)
        text = f"def page(page):\n rows = page.rows\n return {data.replace(_EACH, each)}"
        if all(name in self.at for name in self.keys):
            key = itemgetter(*map(columns.index, self.keys))
            self.names["cursor_of"] = lambda row: write_cursor(self.kind, key(row))
        exec(text, self.names)  # noqa: S102 - names of the schema and of columns, quoted aliases
        made: WritePage = self.names["page"]
        return columns, made

    def page(self, type_: GraphQLObjectType, details: FieldDetailsList) -> str:
        def member(plain: StrawberryField, below: Any, of_field: FieldDetailsList) -> str:
            match plain.python_name:
                case "edges":
                    edge = self.object(_item(below), of_field, self.of_edge)
                    return f"[{edge} for {_EACH}in rows]"
                case "page_info":
                    return self.object(_object(below), of_field, self.of_page_info)
                case "resume_from":
                    self.take(LOG_HEAD)
                    return "log_cursor(page.head, scope)"
                case _:
                    raise Unplain

        return self.object(type_, details, member)

    def of_edge(self, plain: StrawberryField, type_: Any, details: FieldDetailsList) -> str:
        match plain.python_name:
            case "node":
                return self.row(_object(type_), details, StoredSignal.columns)
            case "cursor":
                key = ", ".join(map(self.take, self.keys))
                return f"write_cursor({self.kind!r}, ({key}))"
            case _:
                raise Unplain

    def of_page_info(self, plain: StrawberryField, type_: Any, details: FieldDetailsList) -> str:
        del type_, details
        match plain.python_name:
            case "has_next_page":
                return "page.has_next"
            case "has_previous_page":
                return "page.has_previous"
            case "start_cursor" | "end_cursor":
                for key in self.keys:
                    self.take(key)
                place = 0 if plain.python_name == "start_cursor" else -1
                return f"(cursor_of(rows[{place}]) if rows else None)"
            case _:
                raise Unplain

    def take(self, column: str) -> str:
        return self.at[column]


def _as_it_is(value: Any) -> Any:
    return value


def _object(type_: Any) -> GraphQLObjectType:
    named = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    if not isinstance(named, GraphQLObjectType):
        raise Unplain
    return named


def _item(type_: Any) -> GraphQLObjectType:
    listed = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    if not isinstance(listed, GraphQLList):
        raise Unplain
    return _object(listed.of_type)
