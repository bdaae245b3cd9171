"""PagerDuty: incidents that trigger, are acknowledged, reassigned, noted on and resolved.

Written down from the vendor's pages:
- https://developer.pagerduty.com/api-reference/c661e065403b5-list-log-entries
- https://developer.pagerduty.com/docs/pagination · https://developer.pagerduty.com/docs/versioning
- https://developer.pagerduty.com/docs/webhooks-overview (and webhook-signatures)
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Call, Excuse, Fault, No, moment
from connectors.twins.pagerduty.records import (
    HOME,
    PEOPLE,
    Record,
    iso,
    person,
    reference,
    triggered,
)

FURTHEST = 10_000
"""Where offset and limit end: https://developer.pagerduty.com/docs/pagination"""
ACCEPT = "application/vnd.pagerduty+json;version=2"

_OVERVIEW = frozenset({"trigger", "acknowledge", "unacknowledge", "assign", "escalate", "delegate",
                       "annotate", "resolve", "reopen", "urgency_change"})  # fmt: skip
_HANDS_ON = frozenset({"assign", "escalate", "delegate"})
_STATUS = {"trigger": "triggered", "unacknowledge": "triggered", "reopen": "triggered",
           "acknowledge": "acknowledged", "resolve": "resolved"}  # fmt: skip
_EVENTS = {"assign": "reassigned", "annotate": "annotated", "escalate": "escalated",
           "delegate": "delegated", "unacknowledge": "unacknowledged", "reopen": "reopened"} | {
    verb: _STATUS[verb] for verb in ("trigger", "acknowledge", "resolve")
}  # fmt: skip


class Twin(twins.Twin):
    connector: ClassVar[str] = "pagerduty"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.CURSOR_EXPIRED: Excuse(
            "pages are asked for by offset within a time, which nobody has to keep",
            "https://developer.pagerduty.com/docs/pagination",
        )
    }

    def __init__(self, *, token: str = "y_NbAkKc66ryYTWUXYEu", page: int = 100) -> None:  # noqa: S107 - opens nothing
        """Answer with `page` entries at most: the vendor's own most is 100."""
        self.token, self.page = token, page
        self.signing_secret = "lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itB"  # noqa: S105 - of the webhook subscription
        self.incidents: dict[str, Record] = {}
        self.entries: list[Record] = []
        self._numbers = count(1)
        self._blank = False
        super().__init__()

    def table(self) -> tuple[Allowed, ...]:
        included = {"incidents", "services", "channels", "teams"}
        flags = {"true", "false"}
        params = {
            "limit": lambda text: text.isdigit() and 1 <= int(text) <= 100,
            "offset": str.isdigit,
            "total": flags.__contains__,
            "time_zone": bool,
            "since": _is_time,
            "until": _is_time,
            "is_overview": flags.__contains__,
            "include[]": included.__contains__,
            "team_ids[]": bool,
        }
        # The description asks for a Content-Type though there is no content.
        headers = frozenset({"accept", "content-type"})
        return (Allowed("GET", "/log_entries", self._list, params, headers=headers),)

    def settings(self, url: str) -> dict[str, Any]:
        secret = {"signing_secret": self.signing_secret}
        return {"url": url, "token": self.token, "per_minute": 60_000, **secret}

    def refuse(self, request: Request) -> Response | None:
        """Answer with a code of https://developer.pagerduty.com/docs/errors."""
        if request.headers.get("authorization") != f"Token token={self.token}":
            return _error(401, 2006, "Authentication failed")
        if request.headers.get("accept") != ACCEPT:
            return _error(406, 2016, "Please specify a valid Accept header")
        return None

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Trigger an incident, or find one by `number` and do `verb` to it (or write a `note`).

        A verb is the first word of a log entry's type: acknowledge, resolve, assign, escalate.
        """
        at = moment(record)
        number = int(record.get("number") or next(self._numbers))
        name = f"PT{number:05d}"
        if name not in self.incidents:
            self.incidents[name] = triggered(name, number, record, at)
            self._log("trigger", name, at)
        incident = self.incidents[name]
        incident |= {key: record[key] for key in ("title", "urgency", "priority") if key in record}
        if note := record.get("note"):
            self._log("annotate", name, at, str(note), by=record.get("by"))
        if verb := record.get("verb"):
            if verb not in _OVERVIEW | {"notify", "snooze"}:
                raise ValueError(f"nothing is known of {verb} being done to an incident")
            self._do(verb, incident, record, at)
            self._log(verb, name, at, by=record.get("by"))
        return incident

    def limited(self, seconds: int) -> No:
        """Tell only when the limit is reset: https://developer.pagerduty.com/docs/rest-api-rate-limits."""
        told = {"error": {"message": "Rate Limit Exceeded", "code": 2020}}
        return No(429, told, {"ratelimit-remaining": "0", "ratelimit-reset": str(seconds)})

    def create(self, number: int, at: datetime) -> str:
        made = self.emit({"number": number, "title": f"Incident {number}", "at": at.isoformat()})
        return f"incident/{made['id']}"

    def edit(self, number: int, at: datetime) -> None:
        open_one = self.incidents[f"PT{number:05d}"]["status"] == "triggered"
        by = PEOPLE[len(self.entries) % len(PEOPLE)]
        done = {"verb": "acknowledge"} if open_one else {"verb": "assign", "assignee": by}
        self.emit({"number": number, "by": by, "at": at.isoformat(), **done})

    def delete(self, number: int, at: datetime) -> None:
        """Resolve: nothing deletes an incident."""
        self.emit({"number": number, "verb": "resolve", "at": at.isoformat()})

    def blank(self) -> None:
        self._blank = True

    def push(self, number: int) -> Call:
        name = f"PT{number:05d}"
        entry = next(one for one in reversed(self.entries) if one["incident"]["id"] == name)
        body = json.dumps({"event": self.event(entry)}).encode()
        told = {"content-type": "application/json", "x-webhook-id": f"W{entry['id']}"}
        return Call(body, {**told, **self.sign(body)})

    def sign(self, body: bytes) -> dict[str, str]:
        """Sign by two keys, as while one is replaced: only the second is ours."""
        right, other = (
            hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
            for key in (self.signing_secret, "the one before")
        )
        return {"x-pagerduty-signature": f"v1={other},v1={right}"}

    def event(self, entry: Record) -> Record:
        """Tell of a log entry as a webhook does: with the time to the millisecond."""
        incident = self.incidents[entry["incident"]["id"]]
        verb = entry["type"].removesuffix("_log_entry")
        is_note = verb == "annotate"
        left_out = ("incident_number", "assignments", "updated_at", "last_status_change_at", "type")
        data = {key: value for key, value in incident.items() if key not in left_out} | {
            "type": "incident",
            "number": incident["incident_number"],
            "assignees": [one["assignee"] for one in incident["assignments"]],
        }
        note = {
            "type": "incident_note",
            "id": f"N{entry['id']}",
            "content": entry["channel"].get("content", ""),
            "incident": reference("incident", incident["id"], incident["title"]),
        }
        return {
            "id": f"01E{entry['id']}",
            "event_type": f"incident.{_EVENTS[verb]}",
            "resource_type": "incident",
            "occurred_at": entry["created_at"].replace("Z", ".169Z"),
            "agent": entry["agent"],
            "client": None,
            "data": note if is_note else data,
        }

    def _do(self, verb: str, incident: Record, record: Mapping[str, Any], at: datetime) -> None:
        incident["updated_at"] = iso(at)
        if status := _STATUS.get(verb):
            incident |= {"status": status, "last_status_change_at": iso(at)}
            incident["resolved_at"] = iso(at) if status == "resolved" else None
        if verb in _HANDS_ON:
            assignee = reference("user", *person(record.get("assignee", PEOPLE[1])))
            incident["assignments"] = [{"at": iso(at), "assignee": assignee}]
        if verb == "resolve":
            incident["assignments"] = []

    def _log(
        self, verb: str, name: str, at: datetime, content: str = "", by: str | None = None
    ) -> None:
        incident = self.incidents[name]
        agent = reference("user", *person(by)) if by else incident["service"]
        said = {"type": "note", "content": content} if content else {"type": "website"}
        people = [one["assignee"] for one in incident["assignments"]]
        number = f"R{len(self.entries) + 1:06d}"
        home = f"{HOME}/incidents/{name}"
        self.entries.append(
            {
                "id": number,
                "type": f"{verb}_log_entry",
                "summary": f"{verb.capitalize()} by {agent['summary']}",
                "self": f"https://api.pagerduty.example/log_entries/{number}",
                "html_url": f"{home}/log_entries/{number}",
                "created_at": iso(at),
                "agent": agent,
                "channel": said,
                "service": incident["service"],
                "incident": reference("incident", name, incident["summary"]),
                "teams": incident["teams"],
                **({"assignees": people} if verb in _HANDS_ON else {}),
            }
        )

    async def _list(self, request: Request) -> Response:
        asked = request.query_params
        limit, offset = int(asked.get("limit", 25)), int(asked.get("offset", 0))
        if offset + limit > FURTHEST:
            wrong = ["Offset must be less than 10000"]
            return _error(400, 2001, "Invalid Input Provided", wrong)
        since, until = _time(asked.get("since")), _time(asked.get("until"))
        important = asked.get("is_overview") == "true"
        found = [
            entry
            for entry in reversed(self.entries)
            if (since is None or since <= datetime.fromisoformat(entry["created_at"]))
            and (until is None or datetime.fromisoformat(entry["created_at"]) < until)
            and (not important or entry["type"].removesuffix("_log_entry") in _OVERVIEW)
        ]
        found.sort(key=lambda entry: entry["created_at"], reverse=True)
        limit, self._blank, blank = min(limit, self.page), False, self._blank
        shown = [] if blank else found[offset : offset + limit]
        paging = {"limit": limit, "offset": offset, "more": blank or offset + limit < len(found)}
        entries = [self._shown(one, asked) for one in shown]
        return JSONResponse({"log_entries": entries, **paging, "total": None})

    def _shown(self, entry: Record, asked: Any) -> Record:
        if "incidents" not in asked.getlist("include[]"):
            return entry
        return entry | {"incident": self.incidents[entry["incident"]["id"]]}


def _error(status: int, code: int, message: str, wrong: list[str] | None = None) -> Response:
    return JSONResponse(
        {"error": {"message": message, "code": code, "errors": wrong or []}}, status
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except ValueError:
        return False
