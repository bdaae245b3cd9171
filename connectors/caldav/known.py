"""What is known of a calendar from one poll to the next: its files, and the events to come."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from connectors.caldav.events import Event
from hub.connector import Bad, Cursor, Json, now, utc

_GONE = "gone"
_KEPT = 20  # states of one event


class Known:
    """Compares events with what they were, in the form in which a cursor can keep it."""

    def __init__(self, cursor: Cursor, span: tuple[datetime, datetime]) -> None:
        self._start, self._stop = span
        self._day = self._start.date().isoformat()
        self.is_new_day = cursor.get("day") != self._day
        """Whether time has brought other events into sight, though nothing has changed."""
        self._files: dict[str, Any] = dict(_table(cursor.get("files")))
        self._events: dict[str, Any] = {
            name: dict(_table(entry)) for name, entry in _table(cursor.get("events")).items()
        }

    def is_changed(self, href: str, etag: str) -> bool:
        """Tell whether a file must be read: it is new or another, or recurs and it is a new day."""
        return self._files.get(href) not in {etag, self._on_this_day(etag)}

    def saw(self, href: str, etag: str, events: Sequence[Event], unread: Sequence[Bad]) -> None:
        """Note a file that was read, and where each of its events now is.

        What could not be read is not gone by that.
        """
        recurs = any(event.recurs for event in events)
        self._files[href] = self._on_this_day(etag) if recurs or not events else etag
        there = {event.id for event in events}
        for name, entry in self._events.items():
            is_unread = any(f"{name}/".startswith(f"{bad.external_id or name}/") for bad in unread)
            if entry["file"] == href and name not in there and not is_unread:
                entry["file"] = None
        for event in events:
            self._events.setdefault(event.id, {"was": [], "rounds": 0})["file"] = href

    def revision(self, event: Event, kind: str) -> str | None:
        """Name the state that an event is in now; None where it has been in it already."""
        entry, digest = self._events[event.id], event.digest
        entry |= {"from": event.starts.isoformat(), "to": event.ends.isoformat(), "kind": kind}
        if entry["was"] and entry["was"][-1] == digest:
            return None
        return _named(entry, digest)

    def gone(self, files: Collection[str]) -> Iterator[tuple[str, str, str]]:
        """Give id, kind and revision of what vanished; what has ended or is out of sight is not."""
        for href in self._files.keys() - set(files):
            del self._files[href]
        for name, entry in list(self._events.items()):
            if entry["file"] in self._files:
                continue
            if not entry.get("to") or utc(entry["to"]) < now() or utc(entry["from"]) >= self._stop:
                del self._events[name]
            elif entry["was"][-1] != _GONE:
                yield name, entry["kind"], _named(entry, _GONE)

    def cursor(self, mark: Json, **more: Json) -> Cursor:
        """Write all down. Without a mark the reading has not come to its end."""
        for name, entry in list(self._events.items()):
            if utc(entry["to"]) < self._start:
                del self._events[name]
        events = {name: dict(entry) for name, entry in self._events.items()}
        told: dict[str, Any] = {"files": dict(self._files), "events": events, "mark": mark, **more}
        if mark is not None or more:
            told["day"] = self._day
        return told

    def _on_this_day(self, etag: str) -> str:
        return f"{etag} {self._day}"


def _named(entry: dict[str, Any], state: str) -> str:
    """Name a state so that two times of the same are told apart: a meeting may move and return."""
    entry["rounds"] += 1
    again = state in entry["was"] or state == _GONE
    entry["was"] = [*entry["was"], state][-_KEPT:]
    return f"{state}.{entry['rounds']}" if again else state


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
