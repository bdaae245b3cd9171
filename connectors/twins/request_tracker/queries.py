"""TransactionSQL and TicketSQL, as far as they are asked."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from operator import eq, gt, lt
from typing import Any

_COLUMNS = ("id", "ObjectId", "Created", "ObjectType", "Type", "Field")

Record = dict[str, Any]
Part = Callable[[list[str], Record], bool]


class Query:
    """The part of TransactionSQL and TicketSQL that compares fields, with AND, OR and brackets."""

    def __init__(self, text: str, utc_offset: timedelta) -> None:
        self.utc_offset = utc_offset
        self.tokens = re.findall(r"[()]|'[^']*'|[^\s()'<>=!]+|[<>=!]+", text)

    def holds(self, row: Record) -> bool:
        rest = [*self.tokens, "end"]
        held = self._any(rest, row)
        if rest != ["end"]:
            raise ValueError(f"Wrong query, expecting an AGGREGATOR at {rest[0]}")
        return held

    def _any(self, rest: list[str], row: Record) -> bool:
        return any(self._parts(rest, row, "OR", self._all))

    def _all(self, rest: list[str], row: Record) -> bool:
        return all(self._parts(rest, row, "AND", self._one))

    def _parts(self, rest: list[str], row: Record, word: str, part: Part) -> list[bool]:
        held = [part(rest, row)]
        while rest[0] == word:
            rest.pop(0)
            held.append(part(rest, row))
        return held

    def _one(self, rest: list[str], row: Record) -> bool:
        if (field := rest.pop(0)) == "(":
            held = self._any(rest, row)
            if rest.pop(0) != ")":
                raise ValueError("Wrong query, expecting a CLOSE_PAREN")
            return held
        if field not in _COLUMNS or rest[0] not in {"=", "<", ">"}:
            raise ValueError(f"Wrong query, expecting a known field and an OPERATOR in '{field}'")
        compare = {"=": eq, "<": lt, ">": gt}[rest.pop(0)]
        return bool(compare(self._value(field, row[field]), self._value(field, rest.pop(0))))

    def _value(self, field: str, text: str) -> int | str | datetime:
        if field in {"id", "ObjectId"}:
            return int(text)
        if field == "Created" and text.startswith("'"):  # as the account's clock shows it
            return datetime.fromisoformat(text.strip("'") + "Z") - self.utc_offset
        return datetime.fromisoformat(text) if field == "Created" else text.strip("'")
