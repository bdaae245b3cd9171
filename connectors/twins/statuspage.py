"""Atlassian Statuspage: a public page with incidents, maintenances and components.

Written down from what every page says of itself (https://www.githubstatus.com/api) and from
https://support.atlassian.com/statuspage/docs/enable-webhook-notifications/
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any, ClassVar, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Call, Excuse, Fault, moment

Record: TypeAlias = dict[str, Any]

_HOME = "https://status.acme.example"
_API = "https://www.githubstatus.com/api"
_LISTED = 50
_SAID = {
    "investigating": "We are investigating reports of errors.",
    "identified": "The cause is known, a fix is under way.",
    "monitoring": "A fix is in place, we are watching it.",
    "resolved": "This incident has been resolved.",
    "postmortem": "What happened, and what we changed.",
    "scheduled": "We will update the database.",
    "in_progress": "The work has begun.",
    "completed": "The work is done.",
}
_COMPONENTS = ("API", "Checkout", "Dashboard")


class Twin(twins.Twin):
    connector: ClassVar[str] = "statuspage"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        fault: Excuse(why, _API)
        for fault, why in (
            (Fault.SHORT_PAGES, "a list has no pages: it comes whole, with fifty reports at most"),
            (Fault.EMPTY_PAGE, "a list has no pages: none can follow an empty one"),
            (Fault.CURSOR_EXPIRED, "a list is asked for without a cursor"),
            (Fault.TOKEN_EXPIRED, "a page is public: nobody signs in"),
        )
    }

    def __init__(self) -> None:
        self.incidents: dict[str, Record] = {}
        self.components: dict[str, Record] = {
            name: {
                "id": f"c{number}",
                "name": name,
                "status": "operational",
                "created_at": "2024-05-03T01:22:07.274Z",
                "updated_at": "2024-05-03T01:22:07.274Z",
                "group": False,
            }
            for number, name in enumerate(_COMPONENTS, 1)
        }
        self.signing_secret = "a-word-of-our-own"  # noqa: S105 - in the address that is subscribed
        self.zone = timedelta(0)
        """Pages show their times with the offset of their own zone."""
        self.sent: list[int] = []
        """With which status each request was answered."""
        self._numbers = count(1)
        super().__init__()

    def table(self) -> tuple[Allowed, ...]:
        return (
            Allowed("GET", "/api/v2/summary.json", self._summary),
            Allowed("GET", "/api/v2/components.json", self._components),
            Allowed("GET", "/api/v2/incidents.json", self._incidents),
            Allowed("GET", "/api/v2/incidents/unresolved.json", self._incidents),
            Allowed("GET", "/api/v2/scheduled-maintenances.json", self._maintenances),
        )

    def settings(self, url: str) -> dict[str, Any]:
        return {"url": url, "signing_secret": self.signing_secret, "per_minute": 60_000}

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Open an incident, or update one by its `number`: `status`, `body`, `impact`, `name`.

        `scheduled_for` makes it a maintenance, `delete` removes it. With `component` (a name) its
        `status` changes.
        """
        at = moment(record)
        if name := record.get("component"):
            self.components[name] |= {"status": record["status"], "updated_at": self._iso(at)}
            return self.components[name]
        number = str(record.get("number") or next(self._numbers))
        if record.get("delete"):
            return self.incidents.pop(number)
        planned = record.get("scheduled_for")
        is_new = number not in self.incidents
        begin = "scheduled" if planned else "investigating"
        status = record.get("status") or (begin if is_new else self.incidents[number]["status"])
        if status not in _SAID:
            raise ValueError(f"an incident is never {status!r}")
        incident = self.incidents.setdefault(number, self._blank(number, at))
        incident |= {key: record[key] for key in ("name", "impact", "scheduled_for",
                     "scheduled_until") if key in record}  # fmt: skip
        incident |= {"status": status, "updated_at": self._iso(at)}
        if status in {"resolved", "postmortem"}:
            incident["resolved_at"] = incident["resolved_at"] or self._iso(at)
        told = {
            "id": f"u{number}-{len(incident['incident_updates'])}",
            "incident_id": incident["id"],
            "status": status,
            "body": record.get("body", _SAID[status]),
            **dict.fromkeys(("created_at", "updated_at", "display_at"), self._iso(at)),
        }
        incident["incident_updates"].insert(0, told)
        return incident

    def create(self, number: int, at: datetime) -> str:
        made = self.emit({"number": number, "name": f"Incident {number}", "at": at.isoformat()})
        return f"incident/{made['id']}"

    def edit(self, number: int, at: datetime) -> None:
        said = len(self.incidents[str(number)]["incident_updates"])
        told = {"status": "monitoring", "body": f"Update {said}", "at": at.isoformat()}
        self.emit({"number": number, **told})

    def delete(self, number: int, at: datetime) -> None:
        del at
        del self.incidents[str(number)]

    def push(self, number: int) -> Call:
        return self.call({"incident": _sent(self.incidents[str(number)])})

    def call(self, about: Record) -> Call:
        """Tell as a webhook does: it is signed by nothing but the address that was subscribed."""
        told = {
            "meta": {"unsubscribe": f"{_HOME}/?unsubscribe=j0vqr9zl3513"},
            "page": {"id": "p1", "status_indicator": "major", "status_description": "Outage"},
        }
        body = json.dumps(told | about).encode()
        return Call(
            body, {"content-type": "application/json"}, query=f"token={self.signing_secret}"
        )

    def _blank(self, number: str, at: datetime) -> Record:
        return {
            "id": f"i{number}",
            "name": "Errors at the checkout",
            "impact": "major",
            "shortlink": f"https://stspg.example/i{number}",
            "created_at": self._iso(at),
            "started_at": self._iso(at),
            "monitoring_at": None,
            "resolved_at": None,
            "scheduled_for": None,
            "scheduled_until": None,
            "page_id": "p1",
            "incident_updates": [],
            "components": [{"id": "c2", "name": "Checkout", "status": "partial_outage"}],
        }

    def _iso(self, at: datetime) -> str:
        sign = "-" if self.zone < timedelta(0) else "+"
        hours = abs(self.zone) // timedelta(hours=1)
        local = (at + self.zone).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        return f"{local}{sign}{hours:02}:00" if self.zone else f"{local}Z"

    def _newest(self, *, planned: bool) -> list[Record]:
        found = [one for one in self.incidents.values() if bool(one["scheduled_for"]) is planned]
        return sorted(found, key=lambda one: one["created_at"], reverse=True)[:_LISTED]

    async def _summary(self, request: Request) -> Response:
        return self._shown(request, {"components": [*self.components.values()]})

    async def _components(self, request: Request) -> Response:
        return self._shown(request, {"components": [*self.components.values()]})

    async def _incidents(self, request: Request) -> Response:
        found: Sequence[Record] = self._newest(planned=False)
        if "unresolved" in request.url.path:
            found = [one for one in found if not one["resolved_at"]]
        return self._shown(request, {"incidents": found})

    async def _maintenances(self, request: Request) -> Response:
        return self._shown(request, {"scheduled_maintenances": self._newest(planned=True)})

    def _shown(self, request: Request, about: Record) -> Response:
        page = {"id": "p1", "name": "Acme", "url": _HOME, "time_zone": "America/Chicago"}
        shown = {"page": page, **about}
        etag = f'W/"{hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:32]}"'
        known = request.headers.get("if-none-match") == etag
        self.sent.append(304 if known else 200)
        if known:
            return Response(status_code=304, headers={"etag": etag})
        return JSONResponse(shown, headers={"etag": etag, "cache-control": "max-age=0, public"})


def _sent(incident: Record) -> Record:
    """Leave out what a webhook does not tell of an incident."""
    return {
        name: value for name, value in incident.items() if name not in {"components", "page_id"}
    }
