"""GitHub: one repository with issues, comments, releases and discussions.

Written down from the vendor's pages:
- https://docs.github.com/en/rest/issues/issues#list-repository-issues (and comments)
- https://docs.github.com/en/rest/releases/releases#list-releases
- https://docs.github.com/en/graphql/guides/using-the-graphql-api-for-discussions
- https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, ClassVar, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Call, Check, Excuse, Fault, No, moment

Record: TypeAlias = dict[str, Any]

REPOSITORY = "acme/shop"
_API, _HOME = (
    f"https://api.github.example/repos/{REPOSITORY}",
    f"https://github.example/{REPOSITORY}",
)
_DOCS = "https://docs.github.com/en"
_PAGING = f"{_DOCS}/rest/using-the-rest-api/using-pagination-in-the-rest-api"
_SIZES = frozenset(map(str, range(1, 101)))
_PEOPLE = tuple({"login": login, "type": "User"} for login in ("octavia", "robin-weber", "sam-ok"))
_MADE_UP = (
    ("The export is empty", "Since this morning every CSV has only its header."),
    ("Please support dark mode", "Many of us work at night."),
)


class Twin(twins.Twin):
    connector: ClassVar[str] = "github"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.EMPTY_PAGE: Excuse("only the last page is not full, and links to no other", _PAGING),
        Fault.GONE: Excuse(
            "an issue that is deleted only vanishes from its list: a webhook tells of it, is read",
            f"{_DOCS}/webhooks/webhook-events-and-payloads#issues",
        ),
        Fault.CURSOR_EXPIRED: Excuse(
            "a page is asked for by its number and a time, which nobody keeps", _PAGING
        ),
    }

    def __init__(self, *, token: str = "github_pat_twin", page: int = 100) -> None:  # noqa: S107 - opens nothing
        self.token, self.page = token, page
        self.signing_secret = "It's a Secret to Everybody"  # noqa: S105 - of the webhook
        self.issues: dict[int, Record] = {}
        self.comments: dict[int, Record] = {}
        self.releases: dict[int, Record] = {}
        self.discussions: dict[int, Record] = {}
        self.refusal: str | None = None
        """The type of error of GraphQL's answers: FORBIDDEN, RATE_LIMITED."""
        self._numbers = count(1)
        self._deleted: dict[int, Record] = {}
        super().__init__()

    def table(self) -> tuple[Allowed, ...]:
        paged: dict[str, Check] = {"per_page": _SIZES.__contains__, "page": str.isdigit}
        order: dict[str, Check] = {
            "since": _is_time,
            "sort": {"created", "updated", "comments"}.__contains__,
            "direction": {"asc", "desc"}.__contains__,
        }
        states: dict[str, Check] = {"state": {"open", "closed", "all"}.__contains__}
        said = frozenset({"user-agent"})  # https://docs.github.com/en/rest/using-the-rest-api
        home = "/repos/{owner}/{name}"
        return (
            Allowed("GET", f"{home}/issues", self._issues, paged | order | states, headers=said),
            Allowed("GET", f"{home}/issues/comments", self._comments, paged | order, headers=said),
            Allowed("GET", f"{home}/releases", self._releases, paged, headers=said),
            Allowed("POST", "/graphql", self._graphql, headers=said),
        )

    def settings(self, url: str) -> dict[str, Any]:
        given = {"url": url, "token": self.token, "per_minute": 60_000}
        return given | {"repositories": [REPOSITORY], "signing_secret": self.signing_secret}

    def refuse(self, request: Request) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _error(401, "Bad credentials")
        owner, name = (request.path_params.get(part) for part in ("owner", "name"))
        return _error(404, "Not Found") if owner and f"{owner}/{name}" != REPOSITORY else None

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Open or change an issue (by `number`), or what `on` names: comment, release, discussion.

        A comment stands under the issue of its `number`. `delete` deletes.
        """
        at, what = moment(record), record.get("on", "issue")
        kept = {"issue": self.issues, "release": self.releases, "discussion": self.discussions,
                "comment": self.comments}[what]  # fmt: skip
        made = int(record.get("id") or record.get("number") or next(self._numbers))
        if record.get("delete"):
            return kept.pop(made)
        if what == "comment":
            made = int(record.get("id") or next(self._numbers))
        if is_new := made not in kept:
            kept[made] = _BLANK[what](made, int(record.get("number") or made), at)
        one = kept[made]
        changed = {key: value for key, value in record.items() if key in one and key != "number"}
        one |= changed | {"updated_at": _iso(at)}
        if is_new and what == "comment" and (issue := self.issues.get(int(record["number"]))):
            issue |= {"comments": issue["comments"] + 1, "updated_at": _iso(at)}
        if one.get("state") == "closed":
            one["closed_at"] = one.get("closed_at") or _iso(at)
        return one

    def limited(self, seconds: int) -> No:
        """Say so with 403: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api."""
        reset = str(int(datetime.now(UTC).timestamp()) + seconds)
        told = {"message": "API rate limit exceeded for user ID 1.", "documentation_url": _DOCS}
        return No(403, told, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset})

    def create(self, number: int, at: datetime) -> str:
        issue = self.emit({"number": number, "title": f"Issue {number}", "at": at.isoformat()})
        return f"issue/{issue['id']}"

    def edit(self, number: int, at: datetime) -> None:
        title = f"{self.issues[number]['title']}!"
        self.emit({"number": number, "title": title, "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        del at
        self._deleted[number] = self.issues.pop(number)

    def push(self, number: int) -> Call:
        issue = self.issues.get(number) or self._deleted[number]
        action = "edited" if number in self.issues else "deleted"
        return self.call("issues", action, {"issue": issue})

    def call(self, event: str, action: str, about: Record) -> Call:
        told = {"action": action, **about, "repository": {"full_name": REPOSITORY}}
        body = json.dumps(told | {"sender": _PEOPLE[0]}).encode()
        signed = hmac.new(self.signing_secret.encode(), body, hashlib.sha256).hexdigest()
        delivery = hashlib.sha256(body).hexdigest()[:32]
        names = {"x-github-event": event, "x-github-delivery": delivery}
        return Call(body, {**names, "x-hub-signature-256": f"sha256={signed}"})

    async def _issues(self, request: Request) -> Response:
        state = request.query_params.get("state", "open")
        found = [one for one in self.issues.values() if state in {"all", one["state"]}]
        return self._listed(request, found)

    async def _comments(self, request: Request) -> Response:
        return self._listed(request, [*self.comments.values()])

    async def _releases(self, request: Request) -> Response:
        newest = sorted(self.releases.values(), key=lambda one: one["created_at"], reverse=True)
        return self._page(request, newest)

    def _listed(self, request: Request, found: Sequence[Record]) -> Response:
        asked = request.query_params
        by = f"{asked.get('sort', 'created')}_at"
        since = asked.get("since", "")
        found = [one for one in found if _time(one["updated_at"]) >= _time(since)]
        is_falling = asked.get("direction", "desc") == "desc"
        return self._page(request, sorted(found, key=lambda one: one[by], reverse=is_falling))

    def _page(self, request: Request, found: Sequence[Record]) -> Response:
        asked = request.query_params
        size = min(int(asked.get("per_page", 30)), self.page)
        page = int(asked.get("page", 1))
        shown = found[(page - 1) * size : page * size]
        more = page * size < len(found)
        headers = {"etag": f'W/"{hashlib.sha256(json.dumps([shown, more]).encode()).hexdigest()}"'}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        if more:
            after = request.url.include_query_params(page=page + 1)
            headers["link"] = f'<{after}>; rel="next", <{after}>; rel="last"'
        return JSONResponse(shown, headers=headers)

    async def _graphql(self, request: Request) -> Response:
        asked = json.loads(await request.body())
        given = asked["variables"]
        if self.refusal:
            error = {"type": self.refusal, "message": f"{self.refusal.lower()} by the twin"}
            return JSONResponse({"data": None, "errors": [error]})
        if (
            f"{given['owner']}/{given['name']}" != REPOSITORY
            or "discussions(" not in asked["query"]
        ):
            return JSONResponse({"data": None, "errors": [{"type": "NOT_FOUND"}]})
        newest = sorted(self.discussions.values(), key=lambda one: one["updated_at"], reverse=True)
        size, start = min(given["first"], self.page), int(given["after"] or 0)
        nodes = [_as_node(one) for one in newest[start : start + size]]
        more = start + size < len(newest)
        info = {"hasNextPage": more, "endCursor": str(start + len(nodes))}
        found = {"nodes": nodes, "pageInfo": info}
        return JSONResponse({"data": {"repository": {"discussions": found}}})


def _as_node(one: Record) -> Record:
    """Write a discussion under the names that the query gives its fields."""
    names = ("id", "number", "title", "body", "html_url", "created_at", "updated_at", "category")
    return {name: one[name] for name in names} | {
        "closed": one["state"] == "closed",
        "user": {"login": one["user"]["login"]},
        "answer": {"url": one["answer_html_url"]} if one["answer_html_url"] else None,
    }


def _issue(made: int, number: int, at: datetime) -> Record:
    title, body = _MADE_UP[made % len(_MADE_UP)]
    return {
        "url": f"{_API}/issues/{number}",
        "html_url": f"{_HOME}/issues/{number}",
        "id": 444_500_000 + made,
        "number": number,
        "title": title,
        "user": _PEOPLE[made % len(_PEOPLE)],
        "labels": [],
        "state": "open",
        "assignee": None,
        "milestone": None,
        "comments": 0,
        "created_at": _iso(at),
        "updated_at": _iso(at),
        "closed_at": None,
        "author_association": "NONE",
        "body": body,
        "state_reason": None,
    }


def _comment(made: int, number: int, at: datetime) -> Record:
    return {
        "html_url": f"{_HOME}/issues/{number}#issuecomment-{made}",
        "issue_url": f"{_API}/issues/{number}",
        "id": 492_700_000 + made,
        "user": _PEOPLE[made % len(_PEOPLE)],
        "created_at": _iso(at),
        "updated_at": _iso(at),
        "body": "The same here.",
    }


def _release(made: int, number: int, at: datetime) -> Record:
    return {
        "html_url": f"{_HOME}/releases/tag/v1.{number}.0",
        "id": 17_372_000 + made,
        "tag_name": f"v1.{number}.0",
        "name": f"Shop 1.{number}",
        "draft": False,
        "prerelease": False,
        "created_at": _iso(at),
        "updated_at": _iso(at),
        "published_at": _iso(at),
        "author": _PEOPLE[0],
        "body": "- Exports are complete again",
    }


def _discussion(made: int, number: int, at: datetime) -> Record:
    return {
        "html_url": f"{_HOME}/discussions/{number}",
        "id": 3_297_000 + made,
        "number": number,
        "title": "How do you use the export?",
        "user": _PEOPLE[made % len(_PEOPLE)],
        "state": "open",
        "category": {"name": "Ideas"},
        "answer_html_url": None,
        "created_at": _iso(at),
        "updated_at": _iso(at),
        "body": "We send it to our bookkeeper.",
    }


_BLANK = {"issue": _issue, "comment": _comment, "release": _release, "discussion": _discussion}


def _error(status: int, message: str) -> Response:
    return JSONResponse({"message": message, "documentation_url": f"{_DOCS}/rest"}, status)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text or "1970-01-01T00:00:00Z")


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
