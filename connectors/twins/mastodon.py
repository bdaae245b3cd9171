"""A Mastodon server on loopback: what is said to an account, and under hashtags.

Written down from the vendor's pages, and compared with recorded answers of a 4.5 server:
- notifications: https://docs.joinmastodon.org/methods/notifications/#get
- hashtags: https://docs.joinmastodon.org/methods/timelines/#tag
- a status: https://docs.joinmastodon.org/entities/Status/ and methods/statuses/#get
- paging by ids: https://docs.joinmastodon.org/api/guidelines/#pagination
- limits: https://docs.joinmastodon.org/api/rate-limits/
"""

import html
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Check, Excuse, Fault, moment

_HOME = "https://social.example"
_TYPES = frozenset({"mention", "status", "reblog", "follow", "follow_request", "favourite", "poll",
    "update", "quote", "admin.sign_up", "admin.report"})  # fmt: skip
_FLAGS = frozenset({"true", "false"})
_WORDS = (
    "How do I export my dashboards from Acme?",
    "Loving the new release of Acme, the setup took five minutes.",
    "Is Acme down again? The status page says nothing.",
)

Record = dict[str, Any]


def _up_to(most: int) -> Check:
    return lambda value: value.isdigit() and 1 <= int(value) <= most


class Twin(twins.Twin):
    """Statuses with ids made of their time, notifications with ids that count up."""

    connector: ClassVar[str] = "mastodon"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.EMPTY_PAGE: Excuse(
            "an answer without records has no link to another: after min_id nothing follows",
            "https://docs.joinmastodon.org/api/guidelines/#pagination",
        ),
        Fault.CURSOR_EXPIRED: Excuse(
            "an id is compared as a number, whether the record of that id is there or not",
            "https://docs.joinmastodon.org/api/guidelines/#pagination",
        ),
        Fault.PUSH: Excuse(
            "an account is told by encrypted Web Push, which browsers' services deliver to apps",
            "https://docs.joinmastodon.org/methods/push/",
        ),
    }

    def __init__(self, *, token: str = "twin-token", page: int = 80) -> None:  # noqa: S107
        """Serve `page` records at a time at most, as many as the vendor without it."""
        super().__init__()
        self.token, self.page = token, page
        self.statuses: dict[str, Record] = {}
        self.notifications: dict[str, Record] = {}
        self._told = count(1)
        self._made: dict[int, str] = {}

    def table(self) -> tuple[Allowed, ...]:
        paging: dict[str, Check] = dict.fromkeys(("max_id", "since_id", "min_id"), str.isdigit)
        told: dict[str, Check] = {
            "types[]": _TYPES.__contains__,
            "exclude_types[]": _TYPES.__contains__,
            "account_id": str.isdigit,
            "include_filtered": _FLAGS.__contains__,
            "limit": _up_to(80),
        }
        tagged: dict[str, Check] = {
            **dict.fromkeys(("any[]", "all[]", "none[]"), bool),
            **dict.fromkeys(("local", "remote", "only_media"), _FLAGS.__contains__),
            "limit": _up_to(40),
        }
        return (
            Allowed("GET", "/api/v1/notifications", self._notified, paging | told),
            Allowed("GET", "/api/v1/timelines/tag/{tag}", self._tagged, paging | tagged),
            Allowed("GET", "/api/v1/statuses/{id}", self._status),
        )

    def settings(self, url: str) -> dict[str, Any]:
        return {"url": url, "token": self.token, "hashtags": ["acme"], "per_minute": 6000}

    def refuse(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == f"Bearer {self.token}":
            return None
        return JSONResponse({"error": "The access token is invalid"}, 401)

    async def _notified(self, request: Request) -> Response:
        types = set(request.query_params.getlist("types[]")) or _TYPES
        types -= set(request.query_params.getlist("exclude_types[]"))
        wanted = [one for one in self.notifications.values() if one["type"] in types]
        return self._listed(request, wanted, 40)

    async def _tagged(self, request: Request) -> Response:
        tag = request.path_params["tag"].casefold()
        wanted = [
            status
            for status in self.statuses.values()
            if status["visibility"] == "public"
            and tag in {one["name"] for one in status["tags"] or ()}
        ]
        return self._listed(request, wanted, 20)

    async def _status(self, request: Request) -> Response:
        if status := self.statuses.get(request.path_params["id"]):
            return JSONResponse(status)
        return JSONResponse({"error": "Record not found"}, 404)

    def _listed(self, request: Request, records: list[Record], stock: int) -> Response:
        """Answer newest first; after `min_id` those that follow it, not the newest."""
        asked = request.query_params
        size = min(self.page, int(asked.get("limit", stock)))
        after = int(asked.get("min_id") or asked.get("since_id") or -1)
        before = int(asked.get("max_id", 1 << 63))
        found = [one for one in records if after < int(one["id"]) < before]
        found.sort(key=lambda one: int(one["id"]), reverse="min_id" not in asked)
        served = sorted(found[:size], key=lambda one: int(one["id"]), reverse=True)
        headers = {
            "x-ratelimit-limit": "300",
            "x-ratelimit-remaining": "299",
            "x-ratelimit-reset": _iso(self.now() + timedelta(minutes=5)),
        }
        if served:
            ends = (("max_id", served[-1], "next"), ("min_id", served[0], "prev"))
            links = (
                f"<{request.url.replace_query_params(**{name: one['id']})}>; rel={rel!r}"
                for name, one, rel in ends
            )
            headers["link"] = ", ".join(links).replace("'", '"')
        return JSONResponse(served, headers=headers)

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Say "text" (HTML escaped for you) as "from", to the account unless "mention" is false.

        "tags" are hashtags, "reply" names the status that it answers, "status" adds fields. "edit"
        and "delete" name a status. "late" (seconds) is how long a server elsewhere held it back.
        """
        at = moment(record)
        if gone := record.get("delete"):
            self.notifications = {
                key: one for key, one in self.notifications.items() if one["status"]["id"] != gone
            }
            return self.statuses.pop(gone)
        text = record.get("text", _WORDS[len(self.statuses) % len(_WORDS)])
        content = "".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n"))
        if edited := record.get("edit"):
            status = self.statuses[edited]
            status |= {"content": content, "edited_at": _iso(at)} | record.get("status", {})
            return status
        written = at - timedelta(seconds=record.get("late", 0))
        number = _free(int(written.timestamp() * 1000) << 16, self.statuses)
        status = _status(number, record.get("from", "Robin Weber"), content, written)
        status["in_reply_to_id"] = record.get("reply")
        tags = [tag.removeprefix("#").casefold() for tag in record.get("tags", ())]
        status["tags"] = [{"name": tag, "url": f"{_HOME}/tags/{tag}"} for tag in tags]
        status |= record.get("status", {})
        self.statuses[number] = status
        if record.get("mention", True):
            self._notify("mention", status, at)
        return status

    def _notify(self, kind: str, status: Record, at: datetime) -> None:
        number = str(next(self._told))
        self.notifications[number] = {
            "id": number,
            "type": kind,
            "created_at": _iso(at),
            "group_key": f"ungrouped-{number}",
            "account": status["account"],
            "status": status,
        }

    def create(self, number: int, at: datetime) -> str:
        status = self.emit({"text": f"What of number {number}?", "at": at.isoformat()})
        self._made[number] = status["id"]
        return str(status["id"])

    def edit(self, number: int, at: datetime) -> None:
        words = f"What of number {number}, I mean?"
        self.emit({"edit": self._made[number], "text": words, "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        self.emit({"delete": self._made.pop(number), "at": at.isoformat()})


def _status(number: str, author: str, content: str, at: datetime) -> Record:
    """Write a status, with the fields and nulls of the recorded ones."""
    handle = author.partition(" ")[0].casefold()
    page = f"{_HOME}/@{handle}"
    return {
        "id": number,
        "created_at": _iso(at),
        "in_reply_to_id": None,
        "in_reply_to_account_id": None,
        "sensitive": False,
        "spoiler_text": "",
        "visibility": "public",
        "language": "en",
        "uri": f"{_HOME}/users/{handle}/statuses/{number}",
        "url": f"{page}/{number}",
        "replies_count": 0,
        "reblogs_count": 0,
        "favourites_count": 0,
        "edited_at": None,
        "content": content,
        "reblog": None,
        "application": None,
        "account": {
            "id": str(len(handle)),
            "username": handle,
            "acct": handle,
            "display_name": author,
            "bot": False,
            "url": page,
            "followers_count": 12,
        },
        "media_attachments": [],
        "mentions": [{"id": "1", "username": "acme", "url": f"{_HOME}/@acme", "acct": "acme"}],
        "tags": [],
        "emojis": [],
        "quote": None,
        "card": None,
        "poll": None,
    }


def _free(number: int, taken: Mapping[str, Any]) -> str:
    """Make the id of a moment: milliseconds, and two bytes to tell the statuses of one apart."""
    while str(number) in taken:
        number += 1
    return str(number)


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
