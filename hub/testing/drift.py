"""Answers as they become when a vendor changes its API without a word."""

from collections.abc import Iterator
from typing import Any

import orjson

NEW = "x_new_field"


def strange(content_type: str, body: bytes, turn: int | None) -> bytes:
    """Put unknown fields into a JSON answer's records, and nulls into others of their fields.

    Record n of a list has its field n + `turn` made null: turn after turn every field is met,
    and never two of one record. Without a turn nothing is null. What stands outside of lists is
    the paging's, and kept.
    """
    if "json" not in content_type:
        raise NotImplementedError
    read = orjson.loads(body)
    _walk(read, turn)
    if isinstance(read, dict):
        read[NEW] = {"nested": None}
    return orjson.dumps(read)


def _walk(value: Any, turn: int | None) -> None:
    """Go down to the records: the outermost things in lists."""
    if isinstance(value, list):
        for position, item in enumerate(value):
            if isinstance(item, dict) and turn is not None:
                _without_one(item, position + turn)
            if isinstance(item, dict):
                _add(item)
            else:
                _walk(item, turn)
    elif isinstance(value, dict):
        for part in value.values():
            _walk(part, turn)


def _add(record: dict[str, Any]) -> None:
    """Put an unknown field into a record and into whatever lies in it."""
    inner: list[Any] = list(record.values())
    while inner:
        value = inner.pop()
        if isinstance(value, dict):
            _add(value)
        elif isinstance(value, list):
            inner += value
    record[NEW] = {"nested": None}


def _without_one(record: dict[str, Any], turn: int) -> None:
    places = [*_places(record)]
    if places:
        of, name = places[turn % len(places)]
        of[name] = None


def _places(record: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """List each field of a record, at whatever depth, and of what it is one."""
    for name, value in record.items():
        yield record, name
        if isinstance(value, dict):
            yield from _places(value)
