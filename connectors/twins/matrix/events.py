"""What a homeserver's events say, and which of them pass a filter."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

_WORDS = (
    "We won Acme Robotics: what decided it was the GraphQL API.",
    "Has anybody heard of the customer who asked for single sign-on?",
    "The demo went well, they want a trial from Monday.",
)
_FILTER = frozenset({"room", "presence", "account_data", "event_fields", "event_format"})
_ROOM_FILTER = frozenset({"rooms", "not_rooms", "state", "timeline", "ephemeral", "account_data",
    "include_leave"})  # fmt: skip
PART_FILTER = frozenset({"types", "not_types", "senders", "not_senders", "limit", "rooms",
    "not_rooms", "lazy_load_members", "include_redundant_members"})  # fmt: skip

Event = dict[str, Any]


def is_filter(text: str) -> bool:
    asked = json.loads(text)
    room = asked.get("room", {})
    parts = (part for part in room.values() if isinstance(part, dict))
    is_known = asked.keys() <= _FILTER and room.keys() <= _ROOM_FILTER
    return is_known and all(part.keys() <= PART_FILTER for part in parts)


def content_of(record: Mapping[str, Any], number: int) -> tuple[str, Event]:
    """Choose the type and content of what a record says."""
    text = record.get("text", _WORDS[number % len(_WORDS)])
    body: Event = {"msgtype": "m.text", "body": text} | record.get("content", {})
    if "encrypted" in record:
        return "m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgA"}
    if "redact" in record:
        return "m.room.redaction", {"redacts": record["redact"]}
    if "reaction" in record:
        to = {"rel_type": "m.annotation", "event_id": record["reaction"], "key": "👍"}
        return "m.reaction", {"m.relates_to": to}
    if "edit" in record:
        to = {"rel_type": "m.replace", "event_id": record["edit"]}
        new = {"m.new_content": body, "m.relates_to": to}
        return "m.room.message", body | {"body": f"* {text}"} | new
    relation: Event = {}
    if "reply" in record:
        relation = {"m.in_reply_to": {"event_id": record["reply"]}}
    if "thread" in record:
        relation |= {"rel_type": "m.thread", "event_id": record["thread"]}
    return "m.room.message", body | ({"m.relates_to": relation} if relation else {})


def passes(event: Event, asked: Mapping[str, Any], shown: Iterable[Event] = ()) -> bool:
    if asked.get("lazy_load_members") and event["type"] == "m.room.member":
        return event["state_key"] in {one["sender"] for one in shown}
    return "types" not in asked or event["type"] in asked["types"]


def without_room(part: Event) -> Event:
    return {key: value for key, value in part.items() if key != "room_id"}
