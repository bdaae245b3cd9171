"""Messages of Slack: their times, which are their ids, and which of them are replies."""

from collections.abc import Container, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from starlette.requests import Request

Record: TypeAlias = dict[str, Any]


def time_of(message: Record) -> Decimal:
    return Decimal(message["ts"])


def replies_to(parent: str, said: Mapping[str, Record]) -> list[Record]:
    return [m for m in said.values() if m.get("thread_ts") == parent != m["ts"]]


def seen(message: Record, said: Mapping[str, Record]) -> Record:
    """Add to a parent what Slack tells of its thread."""
    replies = replies_to(message["ts"], said)
    if not replies:
        return dict(message)
    users = list(dict.fromkeys(reply["user"] for reply in replies))
    return message | {
        "thread_ts": message["ts"],
        "reply_count": len(replies),
        "reply_users": users,
        "reply_users_count": len(users),
        "latest_reply": max(replies, key=time_of)["ts"],
    }


def within(request: Request, found: list[Record]) -> list[Record]:
    """Keep what lies between the bounds, without them unless `inclusive`."""
    asked = request.query_params
    oldest, latest = Decimal(asked.get("oldest", "0")), Decimal(asked.get("latest", "9999999999"))
    ends = {oldest, latest} if asked.get("inclusive") in {"true", "1"} else set()
    return [m for m in found if oldest < time_of(m) < latest or time_of(m) in ends]


def is_only_reply(message: Record) -> bool:
    is_reply = message.get("thread_ts", message["ts"]) != message["ts"]
    return is_reply and message.get("subtype") != "thread_broadcast"


def free(at: datetime, taken: Container[str]) -> str:
    """Make the ts of a moment: no two messages of a channel have the same."""
    micros = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    while (ts := f"{micros // 1_000_000}.{micros % 1_000_000:06d}") in taken:
        micros += 1
    return ts
