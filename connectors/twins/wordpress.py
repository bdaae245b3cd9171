"""A WordPress site on loopback: posts, their terms and authors, and comments.

Written down from the vendor's pages, and compared with a real WordPress (tests/live):
- posts: https://developer.wordpress.org/rest-api/reference/posts/#list-posts
- comments: https://developer.wordpress.org/rest-api/reference/comments/#list-comments
- paging: https://developer.wordpress.org/rest-api/using-the-rest-api/pagination/
- embedding: https://developer.wordpress.org/rest-api/using-the-rest-api/linking-and-embedding/
- sign-in: https://developer.wordpress.org/rest-api/using-the-rest-api/authentication/
"""

import html
from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Check, Excuse, Fault, moment

_API = "/wp-json/wp/v2"
_STATUS = frozenset({"publish", "future", "draft", "pending", "private", "trash"})
_FIELDS = frozenset({"id", "content.protected"})
_WORDS = (
    ("We speak at PyCon DE", "Meet us in Darmstadt on 14 April."),
    ("Acme 2.3 is out", "Setup now takes five minutes."),
    ("Welcome, Kim!", "Kim Berg leads our support from today."),
)
_SAYS = ("Can we invite Acme Robotics?", "Congratulations!", "When does the webinar begin?")

Record = dict[str, Any]


def _time(text: str) -> bool:
    return datetime.fromisoformat(text).tzinfo is not None


def _number(most: int) -> Check:
    return lambda text: text.isdigit() and 1 <= int(text) <= most


def _numbers(text: str) -> bool:
    return all(one.isdigit() for one in text.split(","))


class Twin(twins.Twin):
    """Times are kept in the site's zone, to the second, as WordPress keeps and compares them."""

    connector: ClassVar[str] = "wordpress"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.EMPTY_PAGE: Excuse(
            "pages are counted in X-WP-TotalPages: none of them is empty, one past them is refused",
            "https://developer.wordpress.org/rest-api/using-the-rest-api/pagination/",
        ),
        Fault.CURSOR_EXPIRED: Excuse(
            "pages have numbers, not tokens",
            "https://developer.wordpress.org/rest-api/using-the-rest-api/pagination/",
        ),
        Fault.PUSH: Excuse(
            "the endpoints of WordPress's core hold none for webhooks",
            "https://developer.wordpress.org/rest-api/reference/",
        ),
    }

    def __init__(
        self,
        *,
        user: str = "hub",
        password: str = "twin password",  # noqa: S107 - it opens nothing but this twin
        zone: str = "America/New_York",
        page: int = 100,
    ) -> None:
        super().__init__()
        self.user, self.password, self.page, self.zone = user, password, page, ZoneInfo(zone)
        self.posts: dict[int, Record] = {}
        self.comments: dict[int, Record] = {}

    def table(self) -> tuple[Allowed, ...]:
        listing: dict[str, Check] = {
            "after": _time,
            "before": _time,
            "order": frozenset({"asc", "desc"}).__contains__,
            "per_page": _number(100),
            "page": _number(10**6),
            "include": _numbers,
            "_fields": lambda text: set(text.split(",")) <= _FIELDS,
            "_embed": frozenset({"author,wp:term", "up"}).__contains__,
        }
        posts: dict[str, Check] = {
            "modified_after": _time,
            "modified_before": _time,
            "orderby": frozenset({"date", "modified", "id"}).__contains__,
            "status": lambda text: set(text.split(",")) <= _STATUS,
        }
        comments: dict[str, Check] = {
            "orderby": frozenset({"date", "date_gmt", "id"}).__contains__,
            "post": _numbers,
        }
        return (
            Allowed("GET", f"{_API}/posts", self._posts, listing | posts),
            Allowed("GET", f"{_API}/comments", self._comments, listing | comments),
            Allowed("GET", f"{_API}/users/me", self._me),
        )

    def settings(self, url: str) -> dict[str, Any]:
        who = {"user": self.user, "password": self.password}
        return {"url": url, "per_minute": 6000} | who

    def _signed(self, request: Request) -> bool:
        basic = b64encode(f"{self.user}:{self.password}".encode()).decode()
        return request.headers.get("authorization") == f"Basic {basic}"

    async def _me(self, request: Request) -> Response:
        if not self._signed(request):
            return _no(401, "rest_not_logged_in", "You are not currently logged in.")
        return JSONResponse({"id": 1, "name": self.user})

    async def _posts(self, request: Request) -> Response:
        status = set(request.query_params.get("status", "publish").split(","))
        if status != {"publish"} and not self._signed(request):
            # WordPress says so to a wrong password, too.
            return _no(400, "rest_invalid_param", "Invalid parameter(s): status")
        return self._listed(
            request, [one for one in self.posts.values() if one["status"] in status]
        )

    async def _comments(self, request: Request) -> Response:
        seen = {"publish", "private"} if self._signed(request) else {"publish"}
        shown = {
            number
            for number, post in self.posts.items()
            if post["status"] in seen and not post["content"]["protected"]
        }
        wanted = (one for one in self.comments.values() if one["status"] == "approved")
        return self._listed(request, [one for one in wanted if one["post"] in shown])

    def _listed(self, request: Request, records: Iterable[Record]) -> Response:
        asked = request.query_params
        for name, column in (("after", "date"), ("modified_after", "modified")):
            if name in asked:
                # Compared as the site's local times: an hour of them comes twice each autumn.
                since = datetime.fromisoformat(asked[name]).astimezone(self.zone)
                begin = since.strftime("%Y-%m-%dT%H:%M:%S")
                records = [one for one in records if one[column] > begin]
        if "include" in asked:
            wanted = {int(one) for one in asked["include"].split(",")}
            records = [one for one in records if one["id"] in wanted]
        column = asked.get("orderby", "date")
        falling = asked.get("order", "desc") == "desc"
        found = sorted(records, key=lambda one: (one[column], one["id"]), reverse=falling)
        size = min(self.page, int(asked.get("per_page", 10)))
        page, pages = int(asked.get("page", 1)), -(-len(found) // size)
        if page > max(pages, 1):
            words = "The page number requested is larger than the number of pages available."
            return _no(400, "rest_post_invalid_page_number", words)
        served = [self._shown(request, one) for one in found[(page - 1) * size : page * size]]
        headers = {"x-wp-total": str(len(found)), "x-wp-totalpages": str(pages)}
        return JSONResponse(served, headers=headers)

    def _shown(self, request: Request, record: Record) -> Record:
        asked = request.query_params
        if "_fields" in asked:
            return _only(record, asked["_fields"].split(","))
        shown = {name: value for name, value in record.items() if not name.startswith("_")}
        if "_embed" not in asked:
            return shown
        if "post" in record:
            post = self.posts[record["post"]]
            return shown | {"_embedded": {"up": [_only(post, ("id", "title", "link"))]}}
        return shown | {"_embedded": record["_embedded"]}

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Write a post: "title", "content" (HTML), "author", "categories", "tags", "status".

        "post" changes the post of that id; with "comment" (its text) it is commented on, with
        "delete" it is gone for good. "edit" names a comment that gets the text of "comment", or,
        with "delete", goes. "date" sets when it was published, "fields" adds fields.
        """
        at = moment(record)
        if "comment" in record or "edit" in record:
            return self._comment(record, at)
        if number := record.get("post"):
            post = self.posts[number]
            if record.get("delete"):
                return self.posts.pop(number)
        else:
            number = len(self.posts) + 1
            title, content = _WORDS[number % len(_WORDS)]
            post = self.posts[number] = self._new(number, title, f"<p>{content}</p>", at)
        for name in ("title", "content"):
            if name in record:
                post[name] = post[name] | {"rendered": record[name]}
        terms = (("categories", "category"), ("tags", "post_tag"))
        if record.keys() & {"categories", "tags", "author"}:
            author = [{"id": 1, "name": record.get("author", "Ann Archer")}]
            if not record.get("author", "Ann Archer"):
                author = [{"code": "rest_user_invalid_id", "message": "Invalid user ID."}]
            named = [
                [{"id": 7, "name": name, "taxonomy": taxonomy} for name in record.get(field, ())]
                for field, taxonomy in terms
            ]
            post["_embedded"] = {"author": author, "wp:term": named}
        post |= {"status": record.get("status", post["status"])} | record.get("fields", {})
        post |= self._times("modified", at)
        if "date" in record:
            post |= self._times("date", datetime.fromisoformat(record["date"]))
        return post

    def _new(self, number: int, title: str, content: str, at: datetime) -> Record:
        return {
            "id": number,
            **self._times("date", at),
            **self._times("modified", at),
            "guid": {"rendered": f"https://blog.example/?p={number}"},
            "slug": f"post-{number}",
            "status": "publish",
            "type": "post",
            "link": f"https://blog.example/post-{number}/",
            "title": {"rendered": title},
            "content": {"rendered": content, "protected": False},
            "excerpt": {"rendered": content[:120], "protected": False},
            "author": 1,
            "featured_media": 0,
            "comment_status": "open",
            "sticky": False,
            "format": "standard",
            "meta": [],
            "categories": [1],
            "tags": [],
            "_embedded": {"author": [{"id": 1, "name": "Ann Archer"}], "wp:term": [[], []]},
        }

    def _comment(self, record: Mapping[str, Any], at: datetime) -> Record:
        if number := record.get("edit"):
            if record.get("delete"):
                return self.comments.pop(number)
        else:
            number = len(self.comments) + 1
            self.comments[number] = {
                "id": number,
                "post": record["post"],
                "parent": record.get("parent", 0),
                "author": 0,
                "author_name": record.get("author", "Robin Weber"),
                "author_url": "",
                **self._times("date", at),
                "link": f"https://blog.example/post-{record['post']}/#comment-{number}",
                "status": "approved",
                "type": "comment",
                "meta": [],
            }
        comment = self.comments[number]
        text = record.get("comment") or _SAYS[number % len(_SAYS)]
        comment["content"] = {"rendered": f"<p>{html.escape(text)}</p>\n"}
        comment["status"] = record.get("status", comment["status"])
        comment |= record.get("fields", {})
        return comment

    def _times(self, name: str, at: datetime) -> Record:
        local, gmt = at.astimezone(self.zone), at.astimezone(UTC)
        return {
            name: local.strftime("%Y-%m-%dT%H:%M:%S"),
            f"{name}_gmt": gmt.strftime("%Y-%m-%dT%H:%M:%S"),
        }

    def create(self, number: int, at: datetime) -> str:
        post = self.emit({"title": f"Post number {number}", "at": at.isoformat()})
        return f"post/{post['id']}"

    def edit(self, number: int, at: datetime) -> None:
        post = self._made(number)
        title = f"{post['title']['rendered']}, edited"
        self.emit({"post": post["id"], "title": title, "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        self.emit({"post": self._made(number)["id"], "status": "trash", "at": at.isoformat()})

    def _made(self, number: int) -> Record:
        title = f"Post number {number}"
        return next(
            one
            for one in self.posts.values()
            if one["title"]["rendered"].partition(",")[0] == title
        )


def _only(record: Record, fields: Iterable[str]) -> Record:
    shown: Record = {}
    for field in fields:
        name, _, inner = field.partition(".")
        shown[name] = {inner: record[name][inner]} if inner else record[name]
    return shown


def _no(status: int, code: str, message: str) -> Response:
    return JSONResponse({"code": code, "message": message, "data": {"status": status}}, status)
