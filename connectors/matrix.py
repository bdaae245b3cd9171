"""Matrix: what is said in the rooms that an account has joined, on any homeserver."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, Field

from hub.connector import (
    Api,
    Bearer,
    Classification,
    Connector,
    Cursor,
    Draft,
    Endpoint,
    Http,
    Page,
    PersonRef,
    SecretStr,
    SourceMisbehaved,
    Status,
    now,
    utc,
)

_MESSAGE, _DECISION = "chat.message", "chat.decision"
_TIMELINE, _CHUNK, _TITLE = 50, 100, 120
_LATE = 24 * 3600 * 1000  # events of other servers come late; milliseconds, as all times below
_READ = ["m.room.message", "m.room.redaction"]
_STATE = ["m.room.name", "m.room.canonical_alias", "m.room.join_rules"]
_WRITERS = {"lazy_load_members": True, "include_redundant_members": True}
_NOTHING: dict[str, Any] = {"types": []}

_Event = Mapping[str, Any]


class Matrix(Connector):
    """Messages of Matrix rooms as one account sees them (Synapse, Dendrite, any homeserver).

    One signal per message, named by its event id. An edit by its author is a revision of it, a
    redaction deletes it. Rooms that anyone may join are internal; all others, by invitation or
    direct, are restricted. Encrypted rooms are not read: the hub holds no keys, and asks for
    readable events only. A redacted *edit* no longer says which message it belonged to, so that
    text stays until the message itself is edited again or redacted.

    Attributes: room (its id), message_type, mentions (user ids).
    """

    kinds: ClassVar[frozenset[str]] = frozenset({_MESSAGE, _DECISION})
    every: ClassVar[timedelta] = timedelta(seconds=15)
    sign_in: ClassVar[str] = "An access token of an account that has joined the rooms."
    scopes: ClassVar[tuple[str, ...]] = ("membership of each room",)
    limits: ClassVar[str] = (
        "What the homeserver's administrator has set. Encrypted rooms are not read, nor what was "
        "said before the account may see it."
    )

    url: str
    """The homeserver: https://matrix.example.org"""
    token: SecretStr
    """An access token of the account that has joined the rooms."""
    rooms: frozenset[str] = frozenset()
    """Ids (`!abc:example.org`) or aliases (`#sales:example.org`); none: every joined room."""
    since: AwareDatetime | None = None
    """Where the first sync of a room begins; None reads all that the account may see."""
    decision_marker: Annotated[str, Field(min_length=1)] = "#decision"
    """A message that holds this is a decision."""

    def endpoint(self) -> Endpoint:
        return Http(f"{self.url.rstrip('/')}/_matrix/client/v3", Bearer(self.token))

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        wanted, unknown = await self._wanted(api)
        begin = int(self.since.timestamp() * 1000) if self.since else 0
        place = _Place.model_validate(cursor)
        try:
            async for page in self._pages(api, place, wanted, begin):
                yield page
        except SourceMisbehaved as refusal:
            if refusal.status != 400 or not cursor:
                raise
            # The server has forgotten our token: read again from when nothing was missing.
            begin = max(begin, place.complete - _LATE)
            place = _Place(complete=max(1, place.complete))
            async for page in self._pages(api, place, wanted, begin):
                yield page
        if absent := unknown | ((wanted or set()) - place.rooms.keys()):
            raise SourceMisbehaved(
                f"The account is not in {', '.join(sorted(absent))}; its other rooms were read",
                "Invite it and join, or correct `rooms`",
            )

    async def _wanted(self, api: Api) -> tuple[set[str] | None, set[str]]:
        """Find the rooms' ids, and the aliases that none has. An upgraded room keeps its alias."""
        if not self.rooms:
            return None, set()
        aliases = {room for room in self.rooms if room.startswith("#")}
        found = {alias: await _found(api, f"/directory/room/{_quoted(alias)}") for alias in aliases}
        ids = {answer["room_id"] for answer in found.values() if answer}
        return ids | (self.rooms - aliases), {alias for alias in aliases if not found[alias]}

    async def _pages(
        self, api: Api, place: "_Place", wanted: set[str] | None, begin: int
    ) -> AsyncIterator[Page]:
        try:
            before = place.model_dump()
            batch = await place.sync(api, wanted, begin)
            while True:
                page = await self._page(api, place, batch)
                # With gaps left and nothing new, the first page of a poll is no step on.
                if not page.more or page.drafts or page.bad or page.cursor != before:
                    yield page
                if not page.more:
                    return
                batch = await place.fill(api)
        except (LookupError, TypeError, AttributeError) as error:
            raise SourceMisbehaved(f"This is no answer of Matrix: {error!r}") from error

    async def _page(self, api: Api, place: "_Place", batch: "_Batch") -> Page:
        await batch.find_targets(api)
        if not place.gaps and (batch.events or not place.complete):
            place.complete = _now()
        return Page.read(
            batch.events,
            lambda event: _draft(event, batch, place.rooms, self.decision_marker),
            place.model_dump(),
            more=bool(place.gaps),
        )


class _Room(BaseModel):
    name: str | None = None
    public: bool = False
    followed: bool = False


class _Gap(BaseModel):
    """A stretch of a room still to be read, backward from `start` to `end` or to `begin`."""

    room: str
    start: str
    end: str | None = None
    begin: int = 0


class _Place(BaseModel):
    """The cursor: the server's token, and what it will not say again after that token.

    The token moves at once; the gaps before it stay here until they are read, page by page.
    """

    next_batch: str | None = None
    rooms: dict[str, _Room] = {}
    gaps: list[_Gap] = []
    complete: int = 0

    async def sync(self, api: Api, wanted: set[str] | None, begin: int) -> "_Batch":
        """Read what is new. A room that is new itself is all gap, back to `begin`."""
        # https://spec.matrix.org/v1.16/client-server-api/#syncing
        since, batch = self.next_batch, _Batch()
        limit = _TIMELINE if since else 1
        room = {
            # A state event within the timeline is missing in the state, so both ask for it.
            "state": {**_WRITERS, "types": [*_STATE, "m.room.member"]},
            "timeline": {**_WRITERS, "types": [*_READ, *_STATE], "limit": limit},
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
                    self.gaps.append(_Gap(room=name, start=timeline["prev_batch"], end=since))
        for name, known in self.rooms.items():
            if not known.followed and (wanted is None or name in wanted):
                self.gaps.append(_Gap(room=name, start=body["next_batch"], begin=begin))
                known.followed = True
        followed = {name for name, known in self.rooms.items() if known.followed}
        self.gaps = [gap for gap in self.gaps if gap.room in followed]
        return batch

    def _note(self, name: str, events: Iterable[_Event]) -> None:
        room = self.rooms.setdefault(name, _Room())
        for event in events:
            content = event.get("content") or {}
            match event.get("type"):
                case "m.room.name":
                    room.name = content.get("name") or room.name
                case "m.room.canonical_alias":
                    room.name = room.name or content.get("alias")
                case "m.room.join_rules":
                    room.public = content.get("join_rule") == "public"

    async def fill(self, api: Api) -> "_Batch":
        """Read one page of a gap."""
        # https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3roomsroomidmessages
        gap, batch = self.gaps[0], _Batch()
        search = json.dumps({**_WRITERS, "types": _READ})
        asked = {"dir": "b", "from": gap.start, "to": gap.end, "limit": _CHUNK, "filter": search}
        body = await api.get(f"/rooms/{_quoted(gap.room)}/messages", **asked)
        chunk, end = body["chunk"], body.get("end")
        fresh = [event for event in reversed(chunk) if _when(event) >= gap.begin]
        # In a first reading back, what was redacted had never been shown.
        is_first = gap.end is None and not self.complete
        told = [event for event in fresh if not (is_first and _is_redaction(event))]
        batch.add(gap.room, told, body.get("state") or ())
        if end is None or (chunk and not fresh):
            self.gaps.pop(0)
        elif end == gap.start:
            raise SourceMisbehaved("Matrix answers with the same page of messages for ever")
        else:
            gap.start = end
        return batch


class _Batch:
    """Events of an answer, oldest first, with their rooms, writers and targets."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.names: dict[tuple[str, str], str] = {}
        self.targets: dict[str, _Event] = {}

    def add(self, room: str, events: Iterable[_Event], state: Iterable[_Event]) -> None:
        read = ({**event, "room_id": room} for event in events if event.get("type") in _READ)
        self.events.extend(read)
        for event in state:
            if event["type"] == "m.room.member" and (name := event["content"].get("displayname")):
                self.names[room, event["state_key"]] = name

    async def find_targets(self, api: Api) -> None:
        """Look up what edits and redactions are about, as far as the account may see it."""
        self.targets = {event["event_id"]: event for event in self.events if "event_id" in event}
        for event in self.events:
            room, target = event["room_id"], _target(event)
            if target is None or target in self.targets:
                continue
            if original := await _found(api, f"/rooms/{_quoted(room)}/event/{_quoted(target)}"):
                self.targets[target] = {**original, "room_id": room}


def _draft(event: _Event, batch: _Batch, rooms: Mapping[str, _Room], marker: str) -> Draft | None:
    """Read an event as a version of a message: the message, an edit of it, or its redaction."""
    target, room_id = _target(event), event["room_id"]
    original = batch.targets.get(target) if target else event
    if original is None or (original["room_id"], original["type"]) != (room_id, "m.room.message"):
        return None  # about what this account may not see, or what is no message
    gone, content = _is_redaction(event), event["content"]
    if not gone and "redacted_because" in (original.get("unsigned") or {}):
        return None  # the redaction speaks for itself
    if target and _target(original):
        return None  # what is done to an edit is not done to its message
    if target and not gone:
        # https://spec.matrix.org/v1.16/client-server-api/#validity-of-replacement-events
        if original["sender"] != event["sender"]:
            return None
        content = content["m.new_content"]
    relation = original["content"].get("m.relates_to") or {}
    answered = (relation.get("m.in_reply_to") or {}).get("event_id")
    room, sender = rooms[room_id], original["sender"]
    text = "" if gone else content["body"]
    if answered:
        text = _without_quote(text)
    facts = {
        "room": room_id,
        "message_type": content.get("msgtype"),
        "mentions": (content.get("m.mentions") or {}).get("user_ids"),
    }
    return Draft(
        kind=_DECISION if marker.casefold() in text.casefold() else _MESSAGE,
        external_id=original["event_id"],
        revision=event["event_id"],
        revised_at=utc(event["origin_server_ts"] / 1000),
        occurred_at=utc(original["origin_server_ts"] / 1000),
        title="A deleted message" if gone else _title(text) or "An empty message",
        summary=f"In {room.name}" if room.name else "In a room without a name",
        body=None if gone else text,
        # https://spec.matrix.org/v1.16/appendices/#matrixto-navigation
        url=f"https://matrix.to/#/{_quoted(room_id)}/{_quoted(original['event_id'])}"
        f"?via={quote(sender.partition(':')[2])}",
        status=Status.DELETED if gone else Status.INFORMATION,
        classification=Classification.INTERNAL if room.public else Classification.RESTRICTED,
        author=PersonRef(name=batch.names.get((room_id, sender), sender), handle=sender),
        labels=(room.name,) if room.name else (),
        attributes={name: fact for name, fact in facts.items() if fact},
        thread=relation["event_id"] if relation.get("rel_type") == "m.thread" else answered,
    )


def _target(event: _Event) -> str | None:
    """Name the event that an edit or a redaction is about."""
    content = event.get("content") or {}
    relation = content.get("m.relates_to") or {}
    if _is_redaction(event):  # room version 11 moved `redacts` into the content
        target = event.get("redacts") or content.get("redacts")
    else:
        target = relation.get("event_id") if relation.get("rel_type") == "m.replace" else None
    return target if isinstance(target, str) else None


def _is_redaction(event: _Event) -> bool:
    return bool(event.get("type") == "m.room.redaction")


def _when(event: _Event) -> int:
    """Tell an event's time; one without counts as new, to be set aside as bad."""
    at = event.get("origin_server_ts")
    return at if isinstance(at, int) else _now()


def _now() -> int:
    return int(now().timestamp() * 1000)


def _without_quote(text: str) -> str:
    # https://spec.matrix.org/v1.12/client-server-api/#fallbacks-for-rich-replies
    quoted, blank, reply = text.partition("\n\n")
    return reply if blank and quoted.startswith("> <") else text


def _title(text: str) -> str:
    line = text.strip().partition("\n")[0].strip()
    return line if len(line) <= _TITLE else line[: _TITLE - 1].rstrip() + "…"


def _quoted(part: str) -> str:
    return quote(part, safe="")


async def _found(api: Api, path: str) -> Any:
    """Look up what somebody named; it may not exist, nor even be a possible name."""
    try:
        return await api.get(path)
    except SourceMisbehaved as refusal:
        if refusal.status not in {400, 404}:
            raise
        return None
