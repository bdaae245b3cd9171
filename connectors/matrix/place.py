"""Where reading stands: the server's token, and the stretches of rooms that are left to be read."""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from connectors.matrix.events import READ, Batch, Event, is_redaction, quoted, when
from hub.connector import Api, SourceMisbehaved

_TIMELINE, _CHUNK = 50, 100
_STATE = ["m.room.name", "m.room.canonical_alias", "m.room.join_rules"]
_WRITERS = {"lazy_load_members": True, "include_redundant_members": True}
_NOTHING: dict[str, Any] = {"types": []}


class Room(BaseModel):
    name: str | None = None
    public: bool = False
    followed: bool = False


class Gap(BaseModel):
    """A stretch of a room still to be read, backward from `start` to `end` or to `begin`."""

    room: str
    start: str
    end: str | None = None
    begin: int = 0


class Place(BaseModel):
    """The cursor: the server's token, and what it will not say again after that token.

    The token moves at once; the gaps before it stay here until they are read, page by page.
    """

    next_batch: str | None = None
    rooms: dict[str, Room] = {}
    gaps: list[Gap] = []
    complete: int = 0

    async def sync(self, api: Api, wanted: set[str] | None, begin: int) -> Batch:
        """Read what is new. A room that is new itself is all gap, back to `begin`."""
        # https://spec.matrix.org/v1.16/client-server-api/#syncing
        since, batch = self.next_batch, Batch()
        limit = _TIMELINE if since else 1
        room = {
            # A state event within the timeline is missing in the state, so both ask for it.
            "state": {**_WRITERS, "types": [*_STATE, "m.room.member"]},
            "timeline": {**_WRITERS, "types": [*READ, *_STATE], "limit": limit},
            "ephemeral": _NOTHING,
            "account_data": _NOTHING,
        }
        search = json.dumps({"room": room, "presence": _NOTHING, "account_data": _NOTHING})
        asked = {"filter": search, "since": since, "timeout": 0, "set_presence": "offline"}
        body = await api.get("/sync", **asked)
        self.next_batch, rooms = body["next_batch"], body.get("rooms") or {}
        for name in rooms.get("leave") or ():
            self.rooms.pop(name, None)
        for name, known in self.rooms.items():
            known.followed = known.followed and (wanted is None or name in wanted)
        for name, joined in (rooms.get("join") or {}).items():
            state, timeline = joined["state"]["events"], joined["timeline"]
            self._note(name, [*state, *timeline["events"]])
            if self.rooms[name].followed:
                batch.add(name, timeline["events"], state)
                if timeline.get("limited"):
                    self.gaps.append(Gap(room=name, start=timeline["prev_batch"], end=since))
        for name, known in self.rooms.items():
            if not known.followed and (wanted is None or name in wanted):
                self.gaps.append(Gap(room=name, start=body["next_batch"], begin=begin))
                known.followed = True
        followed = {name for name, known in self.rooms.items() if known.followed}
        self.gaps = [gap for gap in self.gaps if gap.room in followed]
        return batch

    def _note(self, name: str, events: Iterable[Event]) -> None:
        room = self.rooms.setdefault(name, Room())
        for event in events:
            content = event.get("content") or {}
            match event.get("type"):
                case "m.room.name":
                    room.name = content.get("name") or room.name
                case "m.room.canonical_alias":
                    room.name = room.name or content.get("alias")
                case "m.room.join_rules":
                    room.public = content.get("join_rule") == "public"

    async def fill(self, api: Api) -> Batch:
        """Read one page of a gap."""
        # https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3roomsroomidmessages
        gap, batch = self.gaps[0], Batch()
        search = json.dumps({**_WRITERS, "types": READ})
        asked = {"dir": "b", "from": gap.start, "to": gap.end, "limit": _CHUNK, "filter": search}
        body = await api.get(f"/rooms/{quoted(gap.room)}/messages", **asked)
        chunk, end = body["chunk"], body.get("end")
        fresh = [event for event in reversed(chunk) if when(event) >= gap.begin]
        # In a first reading back, what was redacted had never been shown.
        is_first = gap.end is None and not self.complete
        told = [event for event in fresh if not (is_first and is_redaction(event))]
        batch.add(gap.room, told, body.get("state") or ())
        if end is None or (chunk and not fresh):
            self.gaps.pop(0)
        elif end == gap.start:
            raise SourceMisbehaved("Matrix answers with the same page of messages for ever")
        else:
            gap.start = end
        return batch
