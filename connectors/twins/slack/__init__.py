"""A Slack workspace: channels, people, messages, threads, edits and what deletions leave behind.

Written down from the vendor's pages:
- https://docs.slack.dev/reference/methods/conversations.history (and .replies, .list, .info)
- https://docs.slack.dev/reference/methods/users.list
- https://docs.slack.dev/apis/web-api/pagination · https://docs.slack.dev/apis/web-api/rate-limits
"""

import re
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Call, Check, No, moment
from connectors.twins.slack.directory import TEAM, Directory, are_types, type_of
from connectors.twins.slack.events import event_of, pushed
from connectors.twins.slack.messages import (
    Record,
    free,
    is_only_reply,
    replies_to,
    seen,
    time_of,
    within,
)

_SITE = "https://acme.slack.example/"
_PEOPLE = ("Jane Doe", "Omar Haddad", "Mei Lin", "Tomás Rivera")
_SAID = (
    "The new onboarding is live, please have a look",
    "Decision: we ship the release on Thursday",
    "Who knows the customer at Globex?",
    "Kudos to support for the weekend :clap:",
)


class Twin(twins.Twin):
    connector: ClassVar[str] = "slack"

    def __init__(self, *, token: str = "xoxb-twin", page: int = 999) -> None:  # noqa: S107 - opens nothing
        """Answer with `page` records at most, however many are asked for, as Slack may."""
        self.token, self.page = token, page
        self.directory = Directory()
        self.channels, self.users = self.directory.channels, self.directory.users
        self.messages: dict[str, dict[str, Record]] = {}
        self.refusals: list[str] = []
        """What Slack says to the next requests in place of an answer: `ratelimited`."""
        self.asked: deque[str] = deque(maxlen=1000)  # the newest requests, for tests to look at
        self.signing_secret = "the-secret-of-the-twins-app"  # noqa: S105 - opens only this twin
        self._numbered: dict[int, tuple[str, str]] = {}  # channel and ts
        self._events: dict[str, Record] = {}  # the newest of each message, by its ts
        self._blank, self._forgotten = False, 0
        super().__init__()

    def table(self) -> tuple[Allowed, ...]:
        paged: dict[str, Check] = {"cursor": bool, "limit": str.isdigit}
        ends = {"latest": _is_number, "oldest": _is_number, "inclusive": _is_flag}
        window: dict[str, Check] = {"channel": bool, **ends, **paged}
        kinds: dict[str, Check] = {"types": are_types, "exclude_archived": _is_flag, **paged}
        need = frozenset({"channel"})
        return (
            Allowed("GET", "/api/auth.test", self._auth),
            Allowed("GET", "/api/users.list", self._users, paged),
            Allowed("GET", "/api/conversations.list", self._conversations, kinds),
            Allowed("GET", "/api/conversations.info", self._info, {"channel": bool}, need),
            Allowed("GET", "/api/conversations.history", self._history, window, need),
            Allowed(
                "GET",
                "/api/conversations.replies",
                self._replies,
                window | {"ts": bool},
                need | {"ts"},
            ),
        )

    def settings(self, url: str) -> dict[str, Any]:
        names = [channel.get("name") or channel["id"] for channel in self.channels.values()] or [
            "general"
        ]
        return {
            "url": f"{url}/api",
            "token": self.token,
            "channels": names,
            "per_minute": 60_000,
            "signing_secret": self.signing_secret,
        }

    def blank(self) -> None:
        self._blank = True

    def forget(self) -> None:
        self._forgotten += 1

    def series(self, path: str, query: str, body: bytes) -> str:
        del body
        return f"{path} {parse_qs(query).get('channel')}"

    def strange(self, content_type: str, body: bytes, turn: int | None) -> bytes:
        """Leave the list of channels whole: of one without name or id nothing can be asked."""
        return super().strange(content_type, body, None if b'"channels":' in body else turn)

    def denied(self) -> No:
        return No(200, {"ok": False, "error": "token_expired"})

    def limited(self, seconds: int) -> No:
        body = {"ok": False, "error": "ratelimited"}
        return No(429, body, {"retry-after": str(seconds)})

    def refuse(self, request: Request) -> Response | None:
        """Say no with 200 and a word, except to who asks too often."""
        self.asked.append(f"{request.url.path.rpartition('/')[2]}?{request.url.query}")
        given = request.headers.get("authorization", "")
        if not given.startswith("Bearer "):
            return _no("not_authed")
        if given != f"Bearer {self.token}":
            return _no("invalid_auth")
        if not self.refusals:
            return None
        error = self.refusals.pop(0)
        if error == "ratelimited":
            return JSONResponse({"ok": False, "error": error}, 429, {"retry-after": "30"})
        return _no(error)

    def create(self, number: int, at: datetime) -> str:
        said = self.emit({"text": f"Message {number}", "at": at.isoformat()})
        self._numbered[number] = said["channel"], said["ts"]
        return f"{said['channel']}/{said['ts']}"

    def edit(self, number: int, at: datetime) -> None:
        channel, ts = self._numbered[number]
        self.emit({"edit": ts, "channel": channel, "text": f"Edited {at}", "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        channel, ts = self._numbered[number]
        self.emit({"delete": ts, "channel": channel, "at": at.isoformat()})

    def push(self, number: int) -> Call:
        return pushed(self._events[self._numbered[number][1]], self.signing_secret, self.now())

    def emit(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Say something, or change (`edit`) or delete what has been said, both by its ts.

        `private` makes the channel private; `subtype`, `bot_id` and `files` are kept as given.
        """
        at = moment(record)
        if changed := record.get("edit") or record.get("delete"):
            channel = next(
                name
                for name in (self._channel(record) if "channel" in record else "", *self.messages)
                if changed in self.messages.get(name, {})
            )
            return self._change(channel, changed, record, at)
        number = self.directory.count()
        channel = self._channel(record)
        said = self.messages[channel]
        ts = free(at, said)
        said[ts] = {
            "type": "message",
            "ts": ts,
            "user": self.directory.user(record.get("user") or _PEOPLE[number % len(_PEOPLE)]),
            "text": record.get("text", record.get("title", _SAID[number % len(_SAID)])),
            "team": TEAM,
            "client_msg_id": f"00000000-0000-4000-8000-{number:012d}",
        }
        for name in ("thread_ts", "subtype", "bot_id", "files", "username"):
            if name in record:
                said[ts][name] = record[name]
        if "thread_ts" in record:
            said[ts]["parent_user_id"] = said[record["thread_ts"]]["user"]
        self._events[ts] = event_of(self.channels[channel], None, dict(said[ts]), at)
        return {"channel": channel, **said[ts]}

    def _channel(self, record: Mapping[str, Any]) -> str:
        channel = self.directory.channel(str(record.get("channel", "general")))
        self.messages.setdefault(channel["id"], {})
        if "private" in record:
            channel["is_private"] = record["private"]
        return str(channel["id"])

    def _change(
        self, channel: str, ts: str, record: Mapping[str, Any], at: datetime
    ) -> dict[str, Any]:
        said = self.messages[channel]
        message, was = said[ts], dict(said[ts])
        if record.get("delete"):
            del said[ts]
            if any(reply.get("thread_ts") == ts for reply in said.values()):
                gone = {"subtype": "tombstone", "user": "USLACKBOT", "hidden": True}
                said[ts] = message | gone | {"text": "This message was deleted."}
            self._events[ts] = event_of(self.channels[channel], was, said.get(ts), at)
            return {"channel": channel, "deleted_ts": ts}
        edited = free(at, {ts, message.get("edited", {}).get("ts")})
        message["text"] = record.get("text", record.get("title", "Edited"))
        message["edited"] = {"user": message["user"], "ts": edited}
        self._events[ts] = event_of(self.channels[channel], was, dict(message), at)
        return {"channel": channel, **message}

    async def _auth(self, request: Request) -> Response:
        del request
        return _yes(url=_SITE, team="Acme", user="hub", team_id=TEAM, user_id="U0HUB")

    async def _users(self, request: Request) -> Response:
        return self._paged(request, "user", members=list(self.users.values()))

    async def _conversations(self, request: Request) -> Response:
        types = request.query_params.get("types", "public_channel").split(",")
        found = [channel for channel in self.channels.values() if type_of(channel) in types]
        return self._paged(request, "team", channels=found)

    async def _info(self, request: Request) -> Response:
        channel = self.channels.get(request.query_params["channel"])
        return _yes(channel=channel) if channel else _no("channel_not_found")

    async def _history(self, request: Request) -> Response:
        """Show what was said in the channel itself, newest first."""
        channel = request.query_params["channel"]
        if refused := self._cannot_read(channel):
            return refused
        found = [m for m in self.messages[channel].values() if not is_only_reply(m)]
        found = sorted(within(request, found), key=time_of, reverse=True)
        return self._paged(
            request,
            "next_ts",
            messages=[seen(message, self.messages[channel]) for message in found],
        )

    async def _replies(self, request: Request) -> Response:
        """Show a thread: its parent, whatever the bounds, then the replies, oldest first."""
        channel, parent = request.query_params["channel"], request.query_params["ts"]
        if refused := self._cannot_read(channel):
            return refused
        said = self.messages[channel]
        if parent not in said:
            return _no("thread_not_found")
        replies = sorted(within(request, replies_to(parent, said)), key=time_of)
        return self._paged(
            request,
            "next_ts",
            messages=[
                seen(message, self.messages[channel]) for message in (said[parent], *replies)
            ],
        )

    def _paged(self, request: Request, name: str, **listed: list[Record]) -> Response:
        """Answer with a page of one list; `next_cursor` names the record that comes next."""
        [(what, found)] = listed.items()
        asked, key = request.query_params, "ts" if what == "messages" else "id"
        try:
            kind, _, next_up = (
                b64decode(asked.get("cursor", ""), validate=True).decode().partition(":")
            )
        except ValueError:
            return _no("invalid_cursor")
        name = f"{name}{self._forgotten or ''}"
        if kind not in {"", name}:
            return _no("invalid_cursor")
        is_down = len(found) > 1 and found[0][key] > found[-1][key]
        passed = [one[key] > next_up if is_down else one[key] < next_up for one in found]
        start = sum(passed) if next_up else 0
        end = start + min(int(asked.get("limit", "100")), self.page)
        if self._blank and what == "messages" and found:
            self._blank, end = False, start
        after = f"{name}:{found[end][key]}" if end < len(found) else ""
        facts: Record = {what: found[start:end], "has_more": bool(after)}
        facts["response_metadata"] = {"next_cursor": b64encode(after.encode()).decode()}
        return _yes(**facts)

    def _cannot_read(self, channel: str) -> Response | None:
        if channel not in self.channels:
            return _no("channel_not_found")
        return None if self.channels[channel].get("is_member", True) else _no("not_in_channel")


def _is_flag(value: str) -> bool:
    return value in {"true", "false", "1", "0"}


def _is_number(value: str) -> bool:
    return bool(re.fullmatch(r"\d+(\.\d+)?", value))


def _yes(**facts: Any) -> Response:
    return JSONResponse({"ok": True, **facts})


def _no(error: str) -> Response:
    return JSONResponse({"ok": False, "error": error})
