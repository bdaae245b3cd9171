"""A tracker that nobody sells, on loopback: one list of issues, in every shape that lists have.

It stands for what `rest` reads, so its descriptions are those of the shapes themselves:
- links to pages: https://www.rfc-editor.org/rfc/rfc8288
- conditional requests: https://www.rfc-editor.org/rfc/rfc9110#section-13
- bearer tokens: https://www.rfc-editor.org/rfc/rfc6750
"""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Check, Excuse, Fault, moment
from connectors.twins.tracker import CURSORS, FIELDS, PAGES

_PATH = "/api/issues"
_STATES = frozenset({"open", "closed", "deleted"})
_PLACES: Mapping[str, Mapping[str, Check]] = {
    "none": {},
    "page": {"page": str.isdigit, "per_page": str.isdigit},
    "offset": {"offset": str.isdigit, "limit": str.isdigit},
    "cursor": {"cursor": bool, "limit": str.isdigit},
    "link": {"after": bool, "per_page": str.isdigit},
    "next_url": {"after": bool, "per_page": str.isdigit},
}

Record = dict[str, Any]


def _is_time(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


_ASKED: Mapping[str, Mapping[str, Check]] = {
    "modified_since": {"updated_since": _is_time, "sort": {"updated"}.__contains__},
    "opaque_token": {"token": bool},
    "id_watermark": {"after_id": str.isdigit},
    "newest_first": {"since": _is_time, "until": _is_time},
    "event_log": {"since": _is_time, "until": _is_time},
    "snapshot": {},
}


@dataclass(frozen=True, slots=True)
class _Slice:
    """Some of the records that were asked for, and what names the page after them."""

    records: Sequence[Record]
    next: str | int | None


class Twin(twins.Twin):
    """Issues as they are, and the log of what happened to them."""

    connector: ClassVar[str] = "rest"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.PUSH: Excuse(
            "rest asks; what pushes is read by the connector webhook",
            "https://www.rfc-editor.org/rfc/rfc9110#section-9.3.1",
        ),
    }

    def __init__(
        self,
        family: str = "modified_since",
        paging: str = "link",
        *,
        post: bool = False,
        token: str = "twin-token",  # noqa: S107 - it opens nothing but this twin
    ) -> None:
        """Serve the list in one shape; by `post`, what is asked for stands in a JSON body."""
        self.family, self.paging, self.post, self.token = family, paging, post, token
        super().__init__()
        self.issues: dict[int, Record] = {}
        self.log: list[Record] = []
        self.requests: list[dict[str, str]] = []
        self._blank = False
        self._epoch = 0  # cursors of another are forgotten

    def table(self) -> tuple[Allowed, ...]:
        params = {**_ASKED[self.family], **_PLACES[self.paging]}
        if self.post:
            return (Allowed("POST", _PATH, self._list, params),)
        return (Allowed("GET", _PATH, self._list, params),)

    def settings(self, url: str) -> dict[str, Any]:
        stream: dict[str, Any] = {
            "path": "issues",
            "records": "$.issues",
            "cursor": {"family": self.family, **CURSORS[self.family]},
            "fields": FIELDS,
        }
        if page := PAGES[self.paging]:
            stream["paging"] = page
        if self.family == "modified_since":
            stream["body" if self.post else "params"] = {"sort": "updated"}
        if self.post:
            stream["method"] = "POST"
        return {
            "url": f"{url}/api",
            "auth": {"bearer": self.token},
            "per_minute": 6000,
            "streams": {"issues": stream},
        }

    def refuse(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == f"Bearer {self.token}":
            return None
        return JSONResponse({"message": "this token opens nothing"}, 401)

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Open or change an issue; the state "deleted" leaves its number and state alone."""
        at = moment(record) if record.get("at") else self.now()
        given = {name: value for name, value in record.items() if name != "at"}
        if given.get("state", "open") not in _STATES:
            raise ValueError(f"an issue is never {given['state']!r}")
        number = int(given.pop("id", 0)) or max(self.issues, default=0) + 1
        issue = self.issues.get(number) or _blank(number, at)
        issue = {**issue, **given, "updated_at": _iso(at), "event": len(self.log) + 1}
        self.issues[number] = issue
        self.log.append(issue)
        return issue

    def create(self, number: int, at: datetime) -> str:
        self.emit({"id": number, "title": f"Issue {number}", "at": at.isoformat()})
        return f"issue/{number}"

    def edit(self, number: int, at: datetime) -> None:
        title = f"{self.issues[number]['title']}, edited"
        self.emit({"id": number, "title": title, "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        if self.family == "snapshot":
            del self.issues[number]
        else:
            self.emit({"id": number, "state": "deleted", "at": at.isoformat()})

    def blank(self) -> None:
        self._blank = True

    def forget(self) -> None:
        self._epoch += 1

    async def _list(self, request: Request) -> Response:
        asked = dict(request.query_params)
        if self.post:
            asked |= {name: str(value) for name, value in json.loads(await request.body()).items()}
        self.requests.append(asked)
        try:
            due = self._due(asked)
            page = self._page(due, asked)
        except ValueError:
            return JSONResponse({"message": "this place is kept no longer"}, 410)
        body: dict[str, Any] = {"issues": page.records, "total": len(due)}
        headers = {}
        if self.family == "opaque_token":
            last = page.records[-1]["event"] if page.records else self._event(asked.get("token"))
            body |= {"token": self._name(last), "more": last < len(self.log)}
        if page.next is not None and self.paging == "cursor":
            body["next"] = page.next
        elif page.next is not None:
            link = f"{request.base_url}api/issues?{urlencode({**asked, 'after': page.next})}"
            body["next"] = link
            headers["link"] = f'<{request.base_url}>; rel="help", <{link}>; rel="next"'
        tag = f'"{hashlib.sha256(json.dumps(body).encode()).hexdigest()}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        return JSONResponse(body, headers={**headers, "etag": tag})

    def _due(self, asked: Mapping[str, str]) -> list[Record]:
        """List what is asked for, in the order of its family."""
        match self.family:
            case "modified_since":
                since = asked.get("updated_since", "")
                found = [
                    one for one in self.issues.values() if not since or _at(one) >= _utc(since)
                ]
                return sorted(found, key=lambda one: (_at(one), one["id"]))
            case "newest_first":
                found = [one for one in self.issues.values() if _within(one, asked)]
                return sorted(found, key=lambda one: (_at(one), one["id"]), reverse=True)
            case "event_log":
                return sorted((one for one in self.log if _within(one, asked)), key=_at)
            case "id_watermark":
                return [one for one in self.log if one["event"] > int(asked.get("after_id", 0))]
            case "opaque_token":
                return self.log[self._event(asked.get("token")) :]
        return list(self.issues.values())

    def _page(self, due: Sequence[Record], asked: Mapping[str, str]) -> _Slice:
        size = min(self.page, int(asked.get("per_page", asked.get("limit", 100))))
        match self.paging:
            case "page":
                start = (int(asked.get("page", 1)) - 1) * size
            case "offset":
                start = int(asked.get("offset", 0))
            case "none":
                whole = self.family in {"id_watermark", "opaque_token"}
                return _Slice(due[:size] if whole else due, None)
            case _:
                after = asked.get("cursor") or asked.get("after")
                start = self._after(due, after) if after else 0
                if self._blank:
                    self._blank = False
                    return _Slice((), self._name(after or "", empty=True))
        records = due[start : start + size]
        follows = start + size < len(due)
        key = self._name(self._key(records[-1])) if follows else None
        return _Slice(records, key)

    def _key(self, record: Record) -> list[Any]:
        return [record["updated_at"], record["event" if self.family == "event_log" else "id"]]

    def _after(self, due: Sequence[Record], name: str) -> int:
        """Find where the page after a record begins, wherever that is now."""
        key = self._read(name)
        while isinstance(key, str):  # of an empty page: where it was asked for
            if not key:
                return 0
            key = self._read(key)
        if self.family == "snapshot":  # in no order: the record itself, if it is there
            ids = [one["id"] for one in due]
            return ids.index(key[1]) + 1
        descending = self.family == "newest_first"
        for index, one in enumerate(due):
            place = self._key(one)
            if place < key if descending else place > key:
                return index
        return len(due)

    def _event(self, token: str | None) -> int:
        return int(self._read(token)) if token else 0

    def _name(self, key: Any, *, empty: bool = False) -> str:
        text = json.dumps([self._epoch, key, empty])
        return urlsafe_b64encode(text.encode()).decode()

    def _read(self, name: str) -> Any:
        epoch, key, _ = json.loads(urlsafe_b64decode(name))
        if epoch != self._epoch:
            raise ValueError("a cursor of another epoch")
        return key


def _blank(number: int, at: datetime) -> Record:
    return {
        "id": number,
        "title": f"Issue {number}",
        "text": "<p>It does <b>not</b> work.</p>",
        "html_url": f"https://tracker.example/issues/{number}",
        "state": "open",
        "priority": None,
        "internal": False,
        "reporter": {"name": "Robin", "email": "robin@acme.example", "company": "Acme"},
        "labels": [{"name": "export"}],
        "created_at": _iso(at),
    }


def _within(record: Record, asked: Mapping[str, str]) -> bool:
    since, until = asked.get("since"), asked.get("until")
    return (not since or _at(record) >= _utc(since)) and (not until or _at(record) <= _utc(until))


def _at(record: Record) -> datetime:
    return datetime.fromisoformat(record["updated_at"])


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
