"""Sentry: an organization with errors that happen, are settled and come back, and releases.

Written down from the vendor's pages:
- https://docs.sentry.io/api/events/list-an-organizations-issues/ (and retrieve-an-issue)
- https://docs.sentry.io/api/releases/list-an-organizations-releases/
- https://docs.sentry.io/api/pagination/
- https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any, ClassVar, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Call, Check, Excuse, Fault, moment

Record: TypeAlias = dict[str, Any]

ORGANIZATION = "acme"
_HOME = "https://acme.sentry.example"
_CURSOR = re.compile(r"\d+:(\d+):[01]")
_PAGING = "https://docs.sentry.io/api/pagination/"
_MADE_UP = (
    ("TypeError: price is undefined", "checkout(total)"),
    ("TimeoutError: the warehouse does not answer", "stock.reserve"),
    ("KeyError: 'currency'", "invoice.render"),
)
_CHANGES = frozenset(
    {"status", "substatus", "assignedTo", "level", "priority", "title", "culprit", "permalink"}
)


class Twin(twins.Twin):
    connector: ClassVar[str] = "sentry"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.CURSOR_EXPIRED: Excuse("a cursor is a place in a sorted list, kept nowhere", _PAGING)
    }

    def __init__(self, *, token: str = "sntrys_twin", page: int = 100) -> None:  # noqa: S107 - opens nothing
        self.token, self.page = token, page
        self.signing_secret = "client-secret"  # noqa: S105 - of the integration
        self.issues: dict[str, Record] = {}
        self.releases: dict[str, Record] = {}
        self.asked: list[str] = []
        self._numbers = count(1)
        self._blank = False
        super().__init__()

    def table(self) -> tuple[Allowed, ...]:
        home = "/api/0/organizations/{organization}"
        place: dict[str, Check] = {"cursor": lambda text: bool(_CURSOR.fullmatch(text))}
        issues: dict[str, Check] = {
            "query": lambda text: text in {"", "is:unresolved", "is:resolved"},
            "sort": {"date", "freq", "inbox", "new", "recommended", "trends", "user"}.__contains__,
            "limit": lambda text: text.isdigit() and 1 <= int(text) <= 100,
            "statsPeriod": lambda text: bool(re.fullmatch(r"\d+[dhmsw]", text)),
            "start": _is_time,
            "end": _is_time,
            "project": bool,
            "environment": bool,
        }
        releases: dict[str, Check] = {"per_page": issues["limit"], "project": bool, "query": bool}
        return (
            Allowed("GET", f"{home}/issues/", self._issues, issues | place),
            Allowed("GET", f"{home}/issues/{{name}}/", self._issue, {"environment": bool}),
            Allowed("GET", f"{home}/releases/", self._releases, releases | place),
        )

    def settings(self, url: str) -> dict[str, Any]:
        given = {"url": url, "token": self.token, "organization": ORGANIZATION}
        return given | {"signing_secret": self.signing_secret, "per_minute": 60_000}

    def refuse(self, request: Request) -> Response | None:
        self.asked.append(f"{request.url.path}?{request.url.query}")
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return JSONResponse({"detail": "Invalid token"}, 401)
        if request.path_params["organization"] != ORGANIZATION:
            return JSONResponse({"detail": "The requested resource does not exist"}, 404)
        return None

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Let an error happen (again), or with `quiet` only change what is kept of it.

        `number` finds the issue; status, substatus and assignedTo are as in the API; a resolved one
        to which something happens has regressed. `delete` deletes. `release` makes a release.
        """
        at = moment(record)
        if version := record.get("release"):
            return self._make_release(str(version), at, record)
        number = str(record.get("number") or next(self._numbers))
        if record.get("delete"):
            return self.issues.pop(number)
        is_new = number not in self.issues
        issue = self.issues.setdefault(number, _blank_issue(number, record, at))
        if not record.get("quiet") and not is_new:
            issue |= {"lastSeen": _iso(at), "count": str(int(issue["count"]) + 1)}
            if issue["status"] != "unresolved":
                issue |= {"status": "unresolved", "substatus": "regressed"}
        issue |= {name: record[name] for name in _CHANGES & record.keys()}
        if issue["status"] == "resolved":
            issue["substatus"] = None
        return issue

    def create(self, number: int, at: datetime) -> str:
        issue = self.emit({"number": number, "title": f"Error {number}", "at": at.isoformat()})
        return f"issue/{issue['id']}"

    def edit(self, number: int, at: datetime) -> None:
        title = f"{self.issues[str(number)]['title']}!"
        self.emit({"number": number, "quiet": True, "title": title, "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        del at
        del self.issues[str(number)]

    def blank(self) -> None:
        self._blank = True

    def push(self, number: int) -> Call:
        issue = {**self.issues[str(number)]}
        return self.call("issue", "assigned", {"issue": issue | {"web_url": issue["permalink"]}})

    def call(self, resource: str, action: str, data: Record) -> Call:
        installation = {"uuid": "a8e5d37a-696c-4c54-adb5-b3f28d64c7de"}
        actor = {"id": "sentry", "name": "Sentry", "type": "application"}
        told = {"action": action, "actor": actor, "data": data, "installation": installation}
        body = json.dumps(told).encode()
        return Call(
            body,
            {
                "content-type": "application/json",
                "request-id": hashlib.sha256(body).hexdigest()[:32],
                "sentry-hook-resource": resource,
                "sentry-hook-timestamp": str(int(self.now().timestamp())),
                "sentry-hook-signature": hmac.new(
                    self.signing_secret.encode(), body, hashlib.sha256
                ).hexdigest(),
            },
        )

    def _make_release(self, version: str, at: datetime, record: Mapping[str, Any]) -> Record:
        made = {
            "id": len(self.releases) + 1,
            "version": version,
            "shortVersion": version.rpartition("@")[2],
            "status": "open",
            "dateCreated": _iso(at),
            "dateReleased": None,
            "url": None,
            "projects": [{"id": 2, "slug": "shop", "name": "Shop"}],
            "authors": [],
        }
        self.releases.setdefault(version, made)
        self.releases[version] |= {key: record[key] for key in ("dateReleased",) if key in record}
        return self.releases[version]

    async def _issues(self, request: Request) -> Response:
        asked = request.query_params
        wanted = asked.get("query", "is:unresolved")  # as without a query
        start, end = asked.get("start"), asked.get("end")
        if (start is None) != (end is None):
            return JSONResponse({"detail": "start and end are both required"}, 400)
        if period := asked.get("statsPeriod"):
            unit = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds", "w": "weeks"}
            back = timedelta(**{unit[period[-1]]: int(period[:-1])})
            start, end = (self.now() - back).isoformat(), None
        found = [
            issue
            for issue in self.issues.values()
            if wanted in {"", f"is:{issue['status']}"}
            and (start is None or _time(issue["lastSeen"]) >= _time(start))
            and (end is None or _time(issue["firstSeen"]) <= _time(end))
            and (not asked.getlist("project") or "shop" in asked.getlist("project"))
        ]
        found.sort(key=lambda issue: issue["lastSeen"], reverse=True)
        return self._page(request, found, int(asked.get("limit", 100)))

    async def _issue(self, request: Request) -> Response:
        name = request.path_params["name"]
        for issue in self.issues.values():
            if name in {issue["id"], issue["shortId"]}:
                return JSONResponse(issue | {"activity": [], "seenBy": [], "tags": []})
        return JSONResponse({"detail": "The requested resource does not exist"}, 404)

    async def _releases(self, request: Request) -> Response:
        def released(release: Record) -> str:
            return str(release["dateReleased"] or release["dateCreated"])

        newest = sorted(self.releases.values(), key=released, reverse=True)
        return self._page(request, newest, int(request.query_params.get("per_page", 100)))

    def _page(self, request: Request, found: Sequence[Record], size: int) -> Response:
        place = _CURSOR.fullmatch(request.query_params.get("cursor", "0:0:0"))
        assert place is not None, "checked by the table"
        start, size = int(place[1]), min(size, self.page)
        self._blank, blank = False, self._blank
        end = start if blank else start + size
        links = []
        for rel, offset, there in (
            ("previous", max(start - size, 0), start > 0),
            ("next", end, blank or end < len(found)),
        ):
            cursor = f"0:{offset}:{int(rel == 'previous')}"
            url = request.url.include_query_params(cursor=cursor)
            results = str(there).lower()
            links.append(f'<{url}>; rel="{rel}"; results="{results}"; cursor="{cursor}"')
        return JSONResponse(found[start:end], headers={"link": ", ".join(links)})


def _blank_issue(number: str, record: Mapping[str, Any], at: datetime) -> Record:
    title, culprit = _MADE_UP[int(number) % len(_MADE_UP)]
    return {
        "id": f"11708{number}",
        "shortId": f"SHOP-{number}",
        "title": record.get("title", title),
        "culprit": culprit,
        "permalink": f"{_HOME}/issues/11708{number}/",
        "logger": None,
        "level": "error",
        "status": "unresolved",
        "statusDetails": {},
        "substatus": "new",
        "platform": "python",
        "priority": "high",
        "project": {"id": "2", "name": "Shop", "slug": "shop", "platform": "python"},
        "type": "error",
        "metadata": {"type": title.partition(":")[0]},
        "numComments": 0,
        "assignedTo": None,
        "count": "1",
        "userCount": 1,
        "firstSeen": _iso(at),
        "lastSeen": _iso(at),
    }


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _is_time(text: str) -> bool:
    try:
        return _time(text).tzinfo is not None
    except ValueError:
        return False


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
