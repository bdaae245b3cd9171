"""A message of Slack as people see it, and the times that are its ids."""

import html
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from hub.connector import PersonRef

_TS = re.compile(r"\d{1,11}\.\d{6}")
_LINK = re.compile(r"<([@#!]?)([^<>|]+)(?:\|([^<>]*))?>")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
State: TypeAlias = dict[str, Any]


def shown(message: State, people: State) -> str:
    def said(link: re.Match[str]) -> str:
        sign, target, label = link.groups()
        if sign == "@":
            return f"@{label or name_of(people.get(target, {}), target)}"
        if sign:  # "#": a channel, "!": @here, a group of users, a date
            return f"#{label or target}" if sign == "#" else label or f"@{target.partition('^')[0]}"
        return f"{label} ({target})" if label and label not in target else target

    parts = [*(message.get("attachments") or ()), *(message.get("files") or ())]
    names = (part.get("fallback") or part.get("name") or "" for part in parts)
    return html.unescape(_LINK.sub(said, message.get("text") or "\n".join(names))).strip()


def author_of(message: State, people: State) -> PersonRef | None:
    handle = message.get("user") or message.get("bot_id") or ""
    person = people.get(handle) or message.get("user_profile") or message.get("bot_profile") or {}
    name, email = name_of(person | message, handle), (person.get("profile") or {}).get("email")
    return PersonRef(name=name[:300], email=email or None, handle=handle) if handle else None


def name_of(person: State, otherwise: Any) -> str:
    told = person | (person.get("profile") or {})
    return str(next(filter(None, map(told.get, ("username", "real_name", "name"))), otherwise))


def ts_of(message: Any) -> str:
    ts = message.get("ts") if isinstance(message, dict) else None
    return ts if isinstance(ts, str) and _TS.fullmatch(ts) else ""


def ts_at(time: datetime | timedelta) -> Decimal:
    """Count the seconds exactly: a float would lose the digits that tell messages apart."""
    since = time - EPOCH if isinstance(time, datetime) else time
    return Decimal(since // timedelta(microseconds=1)) / 1_000_000


def when(ts: str) -> datetime:
    return EPOCH + timedelta(microseconds=int(Decimal(ts) * 1_000_000))
