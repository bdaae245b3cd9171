"""A Bluesky server on loopback: sessions, notifications, search, and the posts of an account.

Written down from the vendor's pages, and compared with a real PDS (tests/live):
- sessions: https://docs.bsky.app/docs/api/com-atproto-server-create-session
- notifications: https://docs.bsky.app/docs/api/app-bsky-notification-list-notifications
- search: https://docs.bsky.app/docs/api/app-bsky-feed-search-posts
- records: https://docs.bsky.app/docs/api/com-atproto-repo-list-records, and rate-limits there
"""

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Check, Excuse, Fault, No, moment

_TID = "234567abcdefghijklmnopqrstuvwxyz"
_POST = "app.bsky.feed.post"
_REASONS = frozenset({"like", "repost", "follow", "mention", "reply", "quote", "verified"})
_FLAG = frozenset({"true", "false"})
_WORDS = ("How do I export dashboards from Acme?", "Loving Acme: set up in five minutes")

Record = dict[str, Any]


def _is_time(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]{8,}(Z|[+-]\d\d:\d\d)", text) is not None


def _is_limit(text: str) -> bool:
    return text.isdigit() and 1 <= int(text) <= 100


class Twin(twins.Twin):
    """Posts, in what order Bluesky saw them; while `losing`, none of them is found."""

    connector: ClassVar[str] = "bluesky"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.PUSH: Excuse(
            "what is new comes by a stream that stays open (Jetstream), and not by requests",
            "https://docs.bsky.app/blog/jetstream",
        ),
    }

    def __init__(
        self,
        *,
        handle: str = "acme.example",
        password: str = "twin-app-password",  # noqa: S107 - it opens nothing but this twin
        page: int = 100,
        deep: int = 1000,
        behind: bool = False,
    ) -> None:
        """Serve `page` records at once; `behind` another server, which is the one that signs in."""
        super().__init__()
        self.handle, self.password = handle, password
        self.page, self.deep, self.behind = page, deep, behind
        self.did = _did(handle)
        self.posts: dict[str, Record] = {}
        self.notifications: list[Record] = []
        self.tokens: dict[str, datetime] = {}
        self.sessions: set[str] = set()
        self.signed_in: list[str] = []
        self.losing, self._blank, self._epoch = False, False, 1
        self._made: dict[int, str] = {}

    def table(self) -> tuple[Allowed, ...]:
        paging: dict[str, Check] = {"limit": _is_limit, "cursor": bool}
        told: dict[str, Check] = {
            "reasons": _REASONS.__contains__,
            "priority": _FLAG.__contains__,
        }
        sought: dict[str, Check] = {
            **dict.fromkeys(("q", "mentions", "author", "lang", "domain", "url", "tag"), bool),
            **dict.fromkeys(("since", "until"), _is_time),
            "sort": frozenset({"top", "latest"}).__contains__,
        }
        listed = {"repo": bool, "collection": _POST.__eq__, "reverse": _FLAG.__contains__}
        of, search = frozenset({"repo", "collection"}), frozenset({"q"})
        server, xrpc = "/xrpc/com.atproto.server", "/xrpc/app.bsky"
        records = "/xrpc/com.atproto.repo.listRecords"
        return (
            Allowed("POST", f"{server}.createSession", self._create),
            Allowed("POST", f"{server}.refreshSession", self._refresh),
            Allowed("GET", f"{xrpc}.notification.listNotifications", self._told, paging | told),
            Allowed("GET", f"{xrpc}.feed.searchPosts", self._search, paging | sought, search),
            Allowed("GET", f"{xrpc}.feed.getPosts", self._these, {"uris": bool}),
            Allowed("GET", records, self._records, paging | listed, of),
        )

    def settings(self, url: str) -> dict[str, Any]:
        who = {"handle": self.handle, "password": self.password}
        return {"url": url, "searches": ["acme"], "posts": True, "per_minute": 6000} | who

    def limited(self, seconds: int) -> No:
        """Say when the window ends, as Bluesky does: it knows no Retry-After."""
        # By the clock of the machine, of which the answer's own Date is.
        until = int(datetime.now(UTC).timestamp()) + seconds
        said = {"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"}
        return No(429, said, {"ratelimit-reset": str(until), "ratelimit-remaining": "0"})

    def denied(self) -> No:
        return No(400, {"error": "ExpiredToken", "message": "Token has been revoked"})

    def forget(self) -> None:
        self._epoch += 1

    def blank(self) -> None:
        self._blank = True

    def refuse(self, request: Request) -> Response | None:
        open_to_all = request.url.path.endswith(("Session", "listRecords"))
        if open_to_all or self.behind:
            return None
        ends = self.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if ends is None:
            return _no(400, "InvalidToken", "Token could not be verified")
        return None if self.now() < ends else _no(400, "ExpiredToken", "Token has expired")

    async def _create(self, request: Request) -> Response:
        given = json.loads(await request.body())
        if (given.get("identifier"), given.get("password")) != (self.handle, self.password):
            return _no(401, "AuthenticationRequired", "Invalid identifier or password")
        self.signed_in.append("createSession")
        return self._session()

    async def _refresh(self, request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.sessions:
            return _no(400, "ExpiredToken", "Token has been revoked")
        self.sessions.remove(token)  # it is good once
        self.signed_in.append("refreshSession")
        return self._session()

    def _session(self) -> Response:
        access, refresh = self._jwt("access", 2), self._jwt("refresh", 99)
        self.tokens[access] = self.now() + timedelta(hours=2)
        self.sessions.add(refresh)
        who = {"did": self.did, "handle": self.handle, "active": True}
        return JSONResponse({"accessJwt": access, "refreshJwt": refresh, **who})

    def _jwt(self, scope: str, hours: int) -> str:
        ends = int((self.now() + timedelta(hours=hours)).timestamp())
        number = len(self.tokens) + len(self.sessions)
        parts = ({"typ": "at+jwt"}, {"scope": scope, "exp": ends, "jti": number})
        words = [
            urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
        ]
        return ".".join([*words, "c2lnbmVk"])

    async def _told(self, request: Request) -> Response:
        reasons = set(request.query_params.getlist("reasons")) or _REASONS
        wanted = [one for one in self.notifications if one["reason"] in reasons]
        return self._listed(request, wanted, "notifications", _indexed)

    async def _search(self, request: Request) -> Response:
        asked, found = request.query_params, [_view(one) for one in self.posts.values()]
        words = ["lost"] if self.losing else asked["q"].casefold().split()
        found = [one for one in found if all(w in one["record"]["text"].casefold() for w in words)]
        for name, keeps in (("since", datetime.__ge__), ("until", datetime.__lt__)):
            if name in asked:
                bound = datetime.fromisoformat(asked[name])
                found = [one for one in found if keeps(datetime.fromisoformat(_sorted(one)), bound)]
        return self._listed(request, found, "posts", _sorted, self.deep)

    async def _these(self, request: Request) -> Response:
        uris = request.query_params.getlist("uris")
        return JSONResponse(
            {"posts": [_view(self.posts[one]) for one in uris if one in self.posts]}
        )

    async def _records(self, request: Request) -> Response:
        repo = request.query_params["repo"]
        mine = (one for one in self.posts.values() if repo in one["author"].values())
        records = [{name: one[name] for name in ("uri", "cid", "value")} for one in mine]
        return self._listed(request, records, "records", lambda one: str(one["uri"]))

    def _listed(
        self,
        request: Request,
        records: Iterable[Record],
        name: str,
        place: Callable[[Record], str],
        deep: int = 10**9,
    ) -> Response:
        """Answer newest first; a cursor is the last record's place, and how many were given."""
        asked = request.query_params
        size = min(self.page, int(asked.get("limit", 50)))
        found = sorted(records, key=lambda one: (place(one), one["uri"]), reverse=True)
        given, cursor = 0, asked.get("cursor")
        if cursor:
            epoch, count, at, uri = cursor.split("|")
            if int(epoch) != self._epoch:
                return _no(400, "InvalidRequest", "Malformed cursor")
            given = int(count)
            found = [one for one in found if (place(one), one["uri"]) < (at, uri)]
        headers = {"ratelimit-limit": "3000", "ratelimit-remaining": "2999"}
        if self._blank:
            self._blank = False
            _, count, at, uri = cursor.split("|") if cursor else ("", "0", "~", "~")
            after = f"{self._epoch}|{int(count) + 1}|{at}|{uri}"
            return JSONResponse({name: [], "cursor": after}, headers=headers)
        served, body = found[:size], Record()
        if served and len(found) > size and given + size < deep:
            at, uri = place(served[-1]), served[-1]["uri"]
            body["cursor"] = f"{self._epoch}|{given + size}|{at}|{uri}"
        return JSONResponse(body | {name: served}, headers=headers)

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Post "text" as "from" (a handle); it names us unless "reason" is null, reply or quote.

        "edit" and "delete" name a post. "created" is the time that its author claims, "value" and
        "fields" add fields to the record and to what is told of it.
        """
        at = moment(record)
        if gone := record.get("delete"):
            self.notifications = [one for one in self.notifications if one["uri"] != gone]
            return self.posts.pop(gone)
        if edited := record.get("edit"):
            post = self.posts[edited]
            post["value"]["text"] = record.get("text", f"{post['value']['text']}, edited")
            post["cid"] = _cid(post)
            for one in self.notifications:
                if one["uri"] == edited:
                    one |= {"cid": post["cid"], "record": post["value"]}
            return post
        handle = record.get("from", "robin.example")
        value = {
            "$type": _POST,
            "text": record.get("text", _WORDS[len(self.posts) % len(_WORDS)]),
            "createdAt": record.get("created", _iso(at)),
            "langs": ["en"],
        } | record.get("value", {})
        uri = f"at://{_did(handle)}/{_POST}/{_tid(at, len(self.posts))}"
        author = {"did": _did(handle), "handle": handle, "displayName": record.get("name", "")}
        post = {"uri": uri, "value": value, "author": author, "indexedAt": _iso(at)}
        post |= {"cid": _cid(post)} | record.get("fields", {})
        self.posts[uri] = post
        reason = record.get("reason", "mention")
        if reason and handle != self.handle:
            view = {
                name: _view(post)[name] for name in ("uri", "cid", "author", "record", "indexedAt")
            }
            self.notifications.append(view | {"reason": reason, "isRead": False, "labels": []})
        return post

    def create(self, number: int, at: datetime) -> str:
        post = self.emit({"text": f"Acme, what of number {number}?", "at": at.isoformat()})
        self._made[number] = post["uri"]
        return str(post["uri"])

    def edit(self, number: int, at: datetime) -> None:
        self.emit({"edit": self._made[number], "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        self.emit({"delete": self._made[number], "at": at.isoformat()})


def _view(post: Record) -> Record:
    counts = dict.fromkeys(("replyCount", "repostCount", "likeCount", "quoteCount"), 0)
    shown = {name: value for name, value in post.items() if name != "value"}
    return shown | counts | {"record": post["value"], "labels": []}


def _indexed(record: Record) -> str:
    return str(record["indexedAt"])


def _sorted(record: Record) -> str:
    return min(str(record["record"]["createdAt"]), _indexed(record))


def _did(handle: str) -> str:
    return f"did:plc:{sha256(handle.encode()).hexdigest()[:24]}"


def _cid(post: Record) -> str:
    return f"bafyrei{sha256(json.dumps(post['value']).encode()).hexdigest()[:52]}"


def _tid(at: datetime, clock: int) -> str:
    """Name a record by its time: https://atproto.com/specs/tid."""
    number = (int(at.timestamp() * 1_000_000) << 10) + clock % 1024
    return "".join(_TID[number >> 5 * place & 31] for place in range(12, -1, -1))


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _no(status: int, error: str, message: str) -> Response:
    return JSONResponse({"error": error, "message": message}, status)
