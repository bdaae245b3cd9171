"""What an event says: a message, an edit of one, or its redaction."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeAlias
from urllib.parse import quote

from hub.connector import (
    Api,
    Classification,
    Draft,
    PersonRef,
    SourceMisbehaved,
    Status,
    now,
    utc,
)

MESSAGE, DECISION = "chat.message", "chat.decision"
READ = ["m.room.message", "m.room.redaction"]
_TITLE = 120

Event: TypeAlias = Mapping[str, Any]


class Named(Protocol):
    """What is known of a room."""

    name: str | None
    public: bool


class Batch:
    """Events of an answer, oldest first, with their rooms, writers and targets."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.names: dict[tuple[str, str], str] = {}
        self.targets: dict[str, Event] = {}

    def add(self, room: str, events: Iterable[Event], state: Iterable[Event]) -> None:
        read = ({**event, "room_id": room} for event in events if event.get("type") in READ)
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
            if original := await found(api, f"/rooms/{quoted(room)}/event/{quoted(target)}"):
                self.targets[target] = {**original, "room_id": room}


def draft(event: Event, batch: Batch, rooms: Mapping[str, Named], marker: str) -> Draft | None:
    """Read an event as a version of a message: the message, an edit of it, or its redaction."""
    target, room_id = _target(event), event["room_id"]
    original = batch.targets.get(target) if target else event
    if original is None or (original["room_id"], original["type"]) != (room_id, "m.room.message"):
        return None  # about what this account may not see, or what is no message
    gone, content = is_redaction(event), event["content"]
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
        "channel": room.name,
        "channel_id": room_id,
        "type": content.get("msgtype"),
        "mentions": (content.get("m.mentions") or {}).get("user_ids"),
    }
    return Draft(
        kind=DECISION if marker.casefold() in text.casefold() else MESSAGE,
        external_id=original["event_id"],
        revision=event["event_id"],
        revised_at=utc(event["origin_server_ts"] / 1000),
        occurred_at=utc(original["origin_server_ts"] / 1000),
        title="A deleted message" if gone else _title(text) or "An empty message",
        summary=f"In {room.name}" if room.name else "In a room without a name",
        body=None if gone else text,
        # https://spec.matrix.org/v1.16/appendices/#matrixto-navigation
        url=f"https://matrix.to/#/{quoted(room_id)}/{quoted(original['event_id'])}"
        f"?via={quote(sender.partition(':')[2])}",
        status=Status.DELETED if gone else Status.INFORMATION,
        classification=Classification.INTERNAL if room.public else Classification.RESTRICTED,
        author=PersonRef(name=batch.names.get((room_id, sender), sender), handle=sender),
        labels=(room.name,) if room.name else (),
        attributes={name: fact for name, fact in facts.items() if fact},
        thread=relation["event_id"] if relation.get("rel_type") == "m.thread" else answered,
    )


def _target(event: Event) -> str | None:
    """Name the event that an edit or a redaction is about."""
    content = event.get("content") or {}
    relation = content.get("m.relates_to") or {}
    if is_redaction(event):  # room version 11 moved `redacts` into the content
        target = event.get("redacts") or content.get("redacts")
    else:
        target = relation.get("event_id") if relation.get("rel_type") == "m.replace" else None
    return target if isinstance(target, str) else None


def is_redaction(event: Event) -> bool:
    return bool(event.get("type") == "m.room.redaction")


def when(event: Event) -> int:
    """Tell an event's time; one without counts as new, to be set aside as bad."""
    at = event.get("origin_server_ts")
    return at if isinstance(at, int) else milliseconds_now()


def milliseconds_now() -> int:
    return int(now().timestamp() * 1000)


def _without_quote(text: str) -> str:
    # https://spec.matrix.org/v1.12/client-server-api/#fallbacks-for-rich-replies
    quoted, blank, reply = text.partition("\n\n")
    return reply if blank and quoted.startswith("> <") else text


def _title(text: str) -> str:
    line = text.strip().partition("\n")[0].strip()
    return line if len(line) <= _TITLE else line[: _TITLE - 1].rstrip() + "…"


def quoted(part: str) -> str:
    return quote(part, safe="")


async def found(api: Api, path: str) -> Any:
    """Look up what somebody named; it may not exist, nor even be a possible name."""
    try:
        return await api.get(path)
    except SourceMisbehaved as refusal:
        if refusal.status not in {400, 404}:
            raise
        return None
