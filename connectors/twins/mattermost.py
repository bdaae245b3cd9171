"""A Mattermost on loopback: channels, what is said there, edited and deleted.

Written down from the vendor's pages, and from the server's source where they are silent:
- posts: https://api.mattermost.com/#tag/posts/operation/GetPostsForChannel
- channels: https://api.mattermost.com/#tag/channels/operation/GetChannel
- users: https://api.mattermost.com/#tag/users/operation/GetUsersByIds
- outgoing webhooks: https://developers.mattermost.com/integrate/webhooks/outgoing/
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Call, Check, Excuse, Fault, moment

_API = "/api/v4"
_TEAM = "acme"
_WORDS = (
    "We won Globex: what decided it was the audit log.",
    "Who has heard of the customer that asked for single sign-on?",
    "Decision: the webinar moves to Thursday.",
)
_PAGES = "https://api.mattermost.com/#tag/posts/operation/GetPostsForChannel"

Record = dict[str, Any]


def _is_flag(text: str) -> bool:
    return text in {"true", "false"}


class Twin(twins.Twin):
    """Posts of each channel; `most` is what one question since a time is answered with."""

    connector: ClassVar[str] = "mattermost"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.EMPTY_PAGE: Excuse(
            "a page begins after a post and ends with the channel: an empty one names no other",
            _PAGES,
        ),
        Fault.CURSOR_EXPIRED: Excuse(
            "pages begin at a post, by its id, and not at a token", _PAGES
        ),
    }

    def __init__(
        self,
        *,
        token: str = "twin-token",  # noqa: S107 - it opens nothing but this twin
        hook: str = "twin-hook-token-of-26-char",
        page: int = 200,
        most: int = 1000,
    ) -> None:
        super().__init__()
        self.token, self.hook, self.page, self.most = token, hook, page, most
        self.channels: dict[str, Record] = {}
        self.users: dict[str, Record] = {}
        self.posts: dict[str, Record] = {}
        self._made: dict[int, Record] = {}
        self.channel("sales")

    def table(self) -> tuple[Allowed, ...]:
        posts: dict[str, Check] = {
            "page": str.isdigit,
            "per_page": lambda text: text.isdigit() and 1 <= int(text) <= 200,
            "since": lambda text: text.isdigit() and int(text) > 0,
            "before": bool,
            "after": bool,
            "include_deleted": _is_flag,
        }
        named = f"{_API}/teams/name/{{team}}/channels/name/{{name}}"
        return (
            Allowed("GET", f"{_API}/channels/{{channel}}", self._channel),
            Allowed("GET", named, self._named, {"include_deleted": _is_flag}),
            Allowed("GET", f"{_API}/channels/{{channel}}/posts", self._posts, posts),
            Allowed("POST", f"{_API}/users/ids", self._users, {"since": str.isdigit}),
        )

    def settings(self, url: str) -> dict[str, Any]:
        where = {"url": url, "channels": [f"{_TEAM}/sales"], "per_minute": 6000}
        return where | {"token": self.token, "signing_secret": self.hook}

    def refuse(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == f"Bearer {self.token}":
            return None
        words = "Invalid or expired session, please login again."
        return _no(401, "api.context.session_expired.app_error", words)

    async def _channel(self, request: Request) -> Response:
        if channel := self.channels.get(request.path_params["channel"]):
            return JSONResponse(channel)
        return _no(404, "app.channel.get.existing.app_error", "Unable to find the channel.")

    async def _named(self, request: Request) -> Response:
        asked = request.path_params
        for channel in self.channels.values():
            if (asked["team"], asked["name"]) == (_TEAM, channel["name"]):
                return JSONResponse(channel)
        return _no(404, "app.channel.get_by_name.missing.app_error", "Channel does not exist.")

    async def _users(self, request: Request) -> Response:
        wanted = json.loads(await request.body())
        return JSONResponse([self.users[one] for one in wanted if one in self.users])

    async def _posts(self, request: Request) -> Response:
        asked, channel = request.query_params, request.path_params["channel"]
        if channel not in self.channels:
            return _no(403, "api.context.permissions.app_error", "You do not have permission.")
        mine = [one for one in self.posts.values() if one["channel_id"] == channel]
        if "since" in asked:
            if asked.keys() & {"before", "after", "page", "per_page"}:
                return _no(400, "api.context.invalid_body_param.app_error", "since stands alone")
            changed = [one for one in mine if one["update_at"] > int(asked["since"])]
            # Which ones of too many are given nobody says: here in an order that tells nothing.
            changed = sorted(changed, key=lambda one: str(one["id"]))[: self.most]
            return JSONResponse(self._list(changed))
        living = sorted((one for one in mine if not one["delete_at"]), key=_place, reverse=True)
        start = int(asked.get("page", 0)) * int(asked.get("per_page", 60))
        if "before" in asked:
            below = _place(self.posts[asked["before"]])
            living = [one for one in living if _place(one) < below]
        size = min(self.page, int(asked.get("per_page", 60)))
        page = living[start : start + size]
        older = living[start + size : start + size + 1]
        return JSONResponse(self._list(page) | {"prev_post_id": older[0]["id"] if older else ""})

    def _list(self, posts: Iterable[Record]) -> Record:
        """Put the posts in order, newest first; the roots of replies come along unordered."""
        ordered = sorted(posts, key=_place, reverse=True)
        roots = (self.posts.get(one["root_id"]) for one in ordered)
        return {
            "order": [one["id"] for one in ordered],
            "posts": {one["id"]: one for one in (*filter(None, roots), *ordered)},
            "next_post_id": "",
            "prev_post_id": "",
            "has_next": False,
        }

    def channel(self, name: str, kind: str = "O") -> Record:
        """Find or open a channel: O is public, P private, D and G are direct."""
        number = _id("channel", name)
        channel = self.channels.setdefault(number, {"id": number, "team_id": _id("team", _TEAM)})
        shown = {"name": name, "display_name": name.replace("-", " ").title(), "header": ""}
        return self._put(channel, shown | {"type": channel.get("type", kind)})

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Say "text" in "channel" (its name) as "from"; "reply" names the post it answers.

        "edit", "delete", "react" name a post that is edited (with "text"), deleted, reacted to.
        "type" is "O", "P", "D" or "G" for a new channel, "fields" adds fields.
        """
        at = int(moment(record).timestamp() * 1000)
        for name in ("edit", "delete", "react"):
            if name in record:
                return self._change(name, self.posts[record[name]], record, at)
        channel = self.channel(record.get("channel", "sales"), record.get("type", "O"))
        text = record.get("text", _WORDS[len(self.posts) % len(_WORDS)])
        number = _id("post", str(len(self.posts)))
        post: Record = {
            "id": number,
            "create_at": at,
            "update_at": at,
            "edit_at": 0,
            "delete_at": 0,
            "is_pinned": False,
            "user_id": self._user(record.get("from", "Ann Archer")),
            "channel_id": channel["id"],
            "root_id": record.get("reply", ""),
            "original_id": "",
            "message": text,
            "type": "",
            "props": {},
            "hashtags": "",
            "file_ids": [],
            "pending_post_id": "",
            "metadata": {},
        }
        post.update(record.get("fields", {}))
        if root := self.posts.get(record.get("reply", "")):
            root["update_at"] = at
        self.posts[number] = post
        return post

    def _change(self, how: str, post: Record, record: Mapping[str, Any], at: int) -> Record:
        if how == "edit":
            # The server keeps the former text as a post of its own, with the look of a deleted one.
            former = _id("former", f"{post['id']}{len(self.posts)}")
            kept = {"id": former, "original_id": post["id"], "delete_at": at, "update_at": at}
            self.posts[former] = {**post, **kept}
            text = record.get("text", f"{post['message']}, corrected")
            return self._put(post, {"message": text, "edit_at": at, "update_at": at})
        if how == "delete":
            return self._put(post, {"delete_at": at, "update_at": at})
        return self._put(post, {"has_reactions": True, "update_at": at})

    @staticmethod
    def _put(record: Record, fields: Record) -> Record:
        record.update(fields)
        return record

    def _user(self, name: str) -> str:
        first, _, last = name.partition(" ")
        number = _id("user", name)
        facts = {"username": first.lower(), "first_name": first, "last_name": last, "nickname": ""}
        self.users[number] = {"id": number, "roles": "system_user", **facts}
        return number

    def create(self, number: int, at: datetime) -> str:
        post = self.emit({"text": f"Post number {number}", "at": at.isoformat()})
        self._made[number] = post
        return str(post["id"])

    def edit(self, number: int, at: datetime) -> None:
        self.emit({"edit": self._made[number]["id"], "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        self.emit({"delete": self._made[number]["id"], "at": at.isoformat()})

    def push(self, number: int) -> Call:
        """Tell of a new post: edits call no webhook, so its text is the first one."""
        return self.hooked(self._made[number] | {"message": f"Post number {number}"})

    def hooked(self, post: Record, kind: str = "application/x-www-form-urlencoded") -> Call:
        """Make the call of an outgoing webhook; its form has seconds, its JSON milliseconds."""
        channel, user = self.channels[post["channel_id"]], self.users[post["user_id"]]
        is_form = "-urlencoded" in kind
        said = {
            "token": self.hook,
            "team_id": channel["team_id"],
            "team_domain": _TEAM,
            "channel_id": channel["id"],
            "channel_name": channel["name"],
            "timestamp": post["create_at"] // 1000 if is_form else post["create_at"],
            "user_id": user["id"],
            "user_name": user["username"],
            "post_id": post["id"],
            "text": post["message"],
            "trigger_word": "",
            "file_ids": ",".join(post["file_ids"]),
        }
        body = urlencode(said) if is_form else json.dumps(said)
        return Call(body.encode(), {"content-type": kind})


def _place(post: Record) -> tuple[int, str]:
    return post["create_at"], post["id"]


def _id(*words: str) -> str:
    """Make an id as the server's: 26 letters and digits."""
    return sha256("/".join(words).encode()).hexdigest()[:26]


def _no(status: int, number: str, message: str) -> Response:
    facts = {"id": number, "message": message, "detailed_error": "", "status_code": status}
    return JSONResponse(facts, status)
