"""A Matrix homeserver on loopback: rooms, what is said there, edited and redacted.

Written down from the specification, and compared with what Synapse answers (tests/live):
- syncing: https://spec.matrix.org/v1.16/client-server-api/#syncing
- filters: https://spec.matrix.org/v1.16/client-server-api/#filtering
- messages of a room: https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3roomsroomidmessages
- redactions: https://spec.matrix.org/v1.16/client-server-api/#redactions
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Check, Excuse, Fault, No, moment
from connectors.twins.matrix.events import (
    PART_FILTER,
    Event,
    content_of,
    is_filter,
    passes,
    without_room,
)

_CLIENT = "/_matrix/client/v3"
_ACCOUNT = "@hub:matrix.example"
_STATE = {
    "name": "m.room.name",
    "join_rule": "m.room.join_rules",
    "alias": "m.room.canonical_alias",
}


@dataclass
class Room:
    """`joined` is the account's place in the stream, 0 where it is not in."""

    id: str
    name: str
    alias: str | None
    joined: int = 0
    left: int = 0
    state: dict[tuple[str, str], Event] = field(default_factory=dict)
    """The newest state event of each type and key."""


class Twin(twins.Twin):
    connector: ClassVar[str] = "matrix"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.PUSH: Excuse(
            "what a homeserver sends to a push gateway is not signed, and only what one person's "
            "rules choose",
            "https://spec.matrix.org/v1.16/push-gateway-api/",
        ),
    }

    def __init__(self, *, token: str = "twin-token") -> None:  # noqa: S107 - opens nothing else
        super().__init__()
        self.token = token
        self.rooms: dict[str, Room] = {}
        self.stream: list[Event] = []
        self.redactions: dict[str, Event] = {}
        self.epoch = 1
        """Part of every token; with another one the server knows none of the old."""
        self._said: dict[int, str] = {}
        self._blank = False

    def table(self) -> tuple[Allowed, ...]:
        sync: dict[str, Check] = {
            "filter": is_filter,
            "since": bool,
            "timeout": str.isdigit,
            "set_presence": lambda text: text in {"offline", "online", "unavailable"},
        }
        messages: dict[str, Check] = {
            "dir": lambda text: text == "b",
            "from": bool,
            "to": bool,
            "limit": lambda text: text.isdigit() and int(text) > 0,
            "filter": lambda text: json.loads(text).keys() <= PART_FILTER,
        }
        room = f"{_CLIENT}/rooms/{{room}}"
        return (
            Allowed("GET", f"{_CLIENT}/sync", self._sync, sync),
            Allowed("GET", f"{room}/messages", self._messages, messages, frozenset({"dir"})),
            Allowed("GET", f"{room}/event/{{event}}", self._event),
            Allowed("GET", f"{_CLIENT}/directory/room/{{alias}}", self._alias),
        )

    def settings(self, url: str) -> dict[str, Any]:
        return {"url": url, "token": self.token}

    def create(self, number: int, at: datetime) -> str:
        said = self.emit({"text": f"Message {number}", "at": at.isoformat()})
        self._said[number] = said["event_id"]
        return self._said[number]

    def edit(self, number: int, at: datetime) -> None:
        said = {"edit": self._said[number], "text": f"Written anew at {at}"}
        self.emit(said | {"at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        self.emit({"redact": self._said[number], "at": at.isoformat()})

    def blank(self) -> None:
        self._blank = True

    def forget(self) -> None:
        self.epoch += 1

    def denied(self) -> No:
        return No(401, {"errcode": "M_UNKNOWN_TOKEN", "error": "Token has expired"})

    def limited(self, seconds: int) -> No:
        # https://spec.matrix.org/v1.16/client-server-api/#rate-limiting
        body = {"errcode": "M_LIMIT_EXCEEDED", "error": "Too many requests"}
        return No(429, body, {"retry-after": str(seconds)})

    def refuse(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == f"Bearer {self.token}":
            return None
        return _error(401, "M_UNKNOWN_TOKEN", "Invalid access token passed.")

    def emit(self, record: Mapping[str, Any]) -> Event:
        """Say "text" in "room" (its name) as "from", or do something to an event there.

        "edit", "reaction", "thread", "reply" and "redact" name the event, "content" adds to what
        is said, "encrypted" hides it. "name", "alias", "join_rule" ("public" at first), "join" and
        "leave" change the room; with "outside" the account is not in it.
        """
        at = int(moment(record).timestamp() * 1000)
        sender = record.get("from", "Ann Archer")
        room = self._room(record.get("room", "Sales wins"), at, outside=record.get("outside"))
        user = f"@{sender.partition(' ')[0].lower()}:matrix.example"
        if ("m.room.member", user) not in room.state:
            membership = {"membership": "join", "displayname": sender}
            self._add(room, "m.room.member", membership, user, at, user)
        if record.keys() & {"join", "leave"}:
            place = len(self.stream) + 1
            room.joined, room.left = (place, 0) if "join" in record else (0, place)
            member = {"membership": "join" if room.joined else "leave"}
            return self._add(room, "m.room.member", member, _ACCOUNT, at, _ACCOUNT)
        room.alias = record.get("alias", room.alias)
        for name, kind in _STATE.items():
            if name in record:
                return self._add(room, kind, {name: record[name]}, user, at, "")
        event = self._add(room, *content_of(record, len(self.stream)), user, at)
        if "redact" in record:
            self.redactions[record["redact"]] = event
        return event

    def _room(self, name: str, at: int, *, outside: bool | None) -> Room:
        for room in self.rooms.values():
            if room.name == name:
                return room
        room = Room(f"!{len(self.rooms) + 1}:matrix.example", name, None)
        self.rooms[room.id] = room
        room.joined = 0 if outside else len(self.stream) + 1
        self._add(room, "m.room.member", {"membership": "join"}, _ACCOUNT, at, _ACCOUNT)
        self._add(room, "m.room.join_rules", {"join_rule": "public"}, _ACCOUNT, at, "")
        self._add(room, "m.room.name", {"name": name}, _ACCOUNT, at, "")
        return room

    def _add(
        self, room: Room, kind: str, content: Event, sender: str, at: int, key: str | None = None
    ) -> Event:
        event = {
            "event_id": f"${len(self.stream) + 1}",
            "room_id": room.id,
            "type": kind,
            "sender": sender,
            "origin_server_ts": at,
            "content": content,
            "unsigned": {"age": 1},
        }
        if key is not None:
            event["state_key"] = key
            room.state[kind, key] = event
        if kind == "m.room.redaction":
            event["redacts"] = content["redacts"]
        self.stream.append(event)
        return event

    async def _sync(self, request: Request) -> Response:
        asked = json.loads(request.query_params.get("filter", "{}")).get("room", {})
        given = request.query_params.get("since")
        if (since := self._place(given) if given else 0) is None:
            return _error(400, "M_UNKNOWN", "Invalid stream token")
        rooms: dict[str, dict[str, Any]] = {"join": {}, "leave": {}}
        for room in self.rooms.values():
            if room.left > since > 0:
                rooms["leave"][room.id] = {"timeline": {"events": []}, "state": {"events": []}}
            if room.joined and (told := self._told(room, since, asked)):
                rooms["join"][room.id] = told
        body: dict[str, Any] = {"next_batch": self._token(len(self.stream))}
        if any(rooms.values()):
            body["rooms"] = {kind: found for kind, found in rooms.items() if found}
        return JSONResponse(body)

    def _told(self, room: Room, since: int, asked: Mapping[str, Any]) -> dict[str, Any] | None:
        """Tell what is new in a room; of one just joined, the newest and the whole state."""
        fresh, timeline = room.joined > since, asked.get("timeline", {})
        news = self._between(room, 0 if fresh else since, len(self.stream))
        found = [event for event in news if passes(event, timeline)]
        shown = found[-min(timeline.get("limit", 10), self.page) :]
        if not fresh and not news:
            return None
        first = self._number(shown[0]) if shown else len(self.stream) + 1
        state = [event for event in news if "state_key" in event and event not in shown]
        wanted = [event for event in state if passes(event, asked.get("state", {}), shown)]
        wanted += [event for event in self._writers(room, shown) if event not in wanted]
        limited = len(found) > len(shown) or (fresh and since > 0)
        return {
            "timeline": {
                "events": self._synced(shown),
                "limited": limited,
                "prev_batch": self._token(first - 1),
            },
            "state": {"events": self._synced(wanted)},
            "account_data": {"events": []},
            "ephemeral": {"events": []},
        }

    async def _messages(self, request: Request) -> Response:
        asked, room = request.query_params, self.rooms.get(request.path_params["room"])
        if room is None or not (room.joined or room.left):
            return _error(403, "M_FORBIDDEN", "You aren't a member of the room.")
        start, end = self._place(asked["from"]), self._place(asked.get("to", self._token(0)))
        if start is None or end is None:
            return _error(400, "M_UNKNOWN", "'from' parameter is invalid")
        wanted = json.loads(asked.get("filter", "{}"))
        found = [event for event in self._between(room, end, start) if passes(event, wanted)]
        chunk = found[::-1][: min(int(asked.get("limit", 10)), self.page)]
        body: dict[str, Any] = {"start": asked["from"], "chunk": [*map(self._served, chunk)]}
        body["state"] = self._writers(room, chunk)
        if self._blank and chunk:
            self._blank, body["chunk"], body["state"] = False, [], []
            body["end"] = f"{asked['from']}~"
        elif chunk:  # as Synapse: only a page without events is known to be the last
            body["end"] = self._token(self._number(chunk[-1]) - 1)
        return JSONResponse(body)

    async def _event(self, request: Request) -> Response:
        wanted = (request.path_params["room"], request.path_params["event"])
        for event in self.stream:
            if (event["room_id"], event["event_id"]) == wanted:
                return JSONResponse(self._served(event))
        return _error(404, "M_NOT_FOUND", "Event not found.")

    async def _alias(self, request: Request) -> Response:
        for room in self.rooms.values():
            if room.alias == request.path_params["alias"]:
                return JSONResponse({"room_id": room.id, "servers": ["matrix.example"]})
        return _error(404, "M_NOT_FOUND", "Room alias not found")

    def _between(self, room: Room, after: int, until: int) -> list[Event]:
        return [event for event in self.stream[after:until] if event["room_id"] == room.id]

    def _writers(self, room: Room, events: Iterable[Event]) -> list[Event]:
        senders = dict.fromkeys(event["sender"] for event in events)
        members = (room.state.get(("m.room.member", sender)) for sender in senders)
        return [member for member in members if member]

    def _served(self, event: Event) -> Event:
        """Show an event as it is now: a redacted one has lost its content."""
        if (because := self.redactions.get(event["event_id"])) is None:
            return event
        unsigned = event["unsigned"] | {"redacted_because": because}
        return event | {"content": {}, "unsigned": unsigned}

    def _synced(self, events: Iterable[Event]) -> list[Event]:
        """Leave out the room, which a sync says once for all of its events."""
        text = json.dumps([*map(self._served, events)])
        synced: list[Event] = json.loads(text, object_hook=without_room)
        return synced

    def _number(self, event: Event) -> int:
        return int(event["event_id"][1:])

    def _token(self, place: int) -> str:
        return f"s{place}_{self.epoch}"

    def _place(self, token: str) -> int | None:
        found = re.fullmatch(r"s(\d+)_(\d+)~?", token)
        return int(found[1]) if found and int(found[2]) == self.epoch else None


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"errcode": code, "error": message}, status)
