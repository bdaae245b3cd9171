"""A Zendesk on loopback: tickets, their people and organizations, and the incremental export.

Written down from the vendor's pages:
- the export: https://developer.zendesk.com/api-reference/ticketing/ticket-management/incremental_exports/
- a ticket: https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#json-format
- sideloads: https://developer.zendesk.com/documentation/ticketing/using-the-zendesk-api/side_loading/#supported-endpoints
- sign-in: https://developer.zendesk.com/api-reference/introduction/security-and-auth/#api-token
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import count
from math import inf
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Call, Check, moment
from connectors.twins.zendesk.people import HOME, People, Record, iso
from connectors.twins.zendesk.webhook import pushed

_SIDELOADS = frozenset({"users", "groups", "organizations", "sharing_agreements", "dates",
    "comment_count", "incident_counts", "metric_sets", "metric_events", "slas", "ticket_forms",
    "custom_statuses"})  # fmt: skip
_PARAMS: Mapping[str, Check] = {
    "start_time": str.isdigit,
    "cursor": bool,
    "per_page": lambda value: value.isdigit() and 1 <= int(value) <= 1000,
    "include": lambda value: set(value.split(",")) <= _SIDELOADS,
    "exclude_deleted": frozenset({"true", "false"}).__contains__,
    "support_type_scope": frozenset({"all", "agent", "ai_agent"}).__contains__,
}
_CHOICES = {
    "status": frozenset({"new", "open", "pending", "hold", "solved", "closed", "deleted"}),
    "priority": frozenset({None, "low", "normal", "high", "urgent"}),
    "type": frozenset({None, "problem", "incident", "question", "task"}),
}
_MADE_UP = (
    ("The weekly report does not load", "It spins for a minute and then stays blank."),
    ("How do I add a colleague?", "I cannot find where to invite somebody to our workspace."),
    ("We were charged twice in March", "The invoice lists our plan two times. Please correct it."),
    ("The export lacks its last column", "Since this morning our CSV files end at column M."),
)
_NO_FIELDS = frozenset({"at", "ticket", "requester", "organization"})
_EXPORT = "/api/v2/incremental/tickets/cursor"


class Twin(twins.Twin):
    """Tickets in the order in which they changed, a page at a time after an opaque cursor."""

    connector: ClassVar[str] = "zendesk"

    def __init__(
        self,
        *,
        email: str = "admin@acme.example",
        token: str = "twin-token",  # noqa: S107 - it opens nothing but this twin
        page: int = 1000,
        lag: timedelta = timedelta(0),
    ) -> None:
        """Serve `page` tickets at a time, none that changed within `lag` (Zendesk's: a minute)."""
        super().__init__()
        self.email, self.token, self.page, self.lag = email, token, page, lag
        self.signing_secret = "the-secret-of-the-twins-webhook"  # noqa: S105 - opens only this twin
        self.tickets: dict[int, Record] = {}
        self.people = People()
        self.users, self.organizations = self.people.users, self.people.organizations
        self._ratings = count(30_001)
        self._blank, self._forgotten = False, 0
        self._newest = (0, 0)

    def table(self) -> tuple[Allowed, ...]:
        paths = (_EXPORT, f"{_EXPORT}.json")
        return tuple(Allowed("GET", path, self._export, _PARAMS) for path in paths)

    def settings(self, url: str) -> dict[str, Any]:
        # The twin takes any number of requests, so a demo need not wait as long as at Zendesk.
        return {
            "url": url,
            "email": self.email,
            "token": self.token,
            "per_minute": 6000,
            "signing_secret": self.signing_secret,
            "withheld": int(self.lag.total_seconds()),
        }

    def refuse(self, request: Request) -> Response | None:
        basic = b64encode(f"{self.email}/token:{self.token}".encode()).decode()
        if request.headers.get("authorization") in {f"Basic {basic}", f"Bearer {self.token}"}:
            return None
        return JSONResponse({"error": "Couldn't authenticate you"}, 401)

    async def _export(self, request: Request) -> Response:
        asked = request.query_params
        # Without a lag a stamp may run ahead of the clock, see `_stamp`.
        until = (self.now() - self.lag).timestamp() if self.lag else inf
        if "cursor" in asked:
            after = _read_cursor(asked["cursor"], self._forgotten)
        else:
            after = (int(asked["start_time"]), 0) if "start_time" in asked else None
        if after is None:
            return _invalid(400, "start_time or a cursor of an earlier answer is required")
        if "cursor" not in asked and after[0] > until:
            return _invalid(422, "Too recent start_time. Use a start_time older than 1 minute")
        size = min(self.page, int(asked.get("per_page", self.page)))
        changed = (one for one in self.tickets.values() if after < _place(one) < (until, inf))
        due = sorted(changed, key=_place)
        served = due[:size]
        cursor = self._cursor(_place(served[-1])) if served else asked.get("cursor")
        if self._blank:
            self._blank, served, size = False, [], -1
            cursor = self._cursor(after, "|")
        if asked.get("exclude_deleted") == "true":
            served = [ticket for ticket in served if ticket["status"] != "deleted"]
        page = {
            "tickets": served,
            "after_url": cursor and f"{HOME}{_EXPORT}.json?cursor={cursor}",
            "after_cursor": cursor,
            "before_url": None,
            "before_cursor": None,
            "end_of_stream": len(due) <= size,
        }
        return JSONResponse(page | self._sideloads(asked.get("include", ""), served))

    def _cursor(self, place: tuple[int, int], end: str = "") -> str:
        """Write a place as Zendesk does: base64 of "1576613539.0||467|"."""
        text = f"{place[0]}.0||{place[1]}|{self._forgotten or ''}{end}"
        return b64encode(text.encode()).decode()

    def _sideloads(self, include: str, tickets: Iterable[Record]) -> dict[str, list[Record]]:
        """Give each user and organization that the page names once, where they were asked for."""
        found: dict[str, dict[int, Record]] = {name: {} for name in include.split(",") if name}
        for ticket in tickets:
            if "users" in found:
                named = {ticket["requester_id"], ticket["submitter_id"], ticket["assignee_id"]}
                found["users"] |= {one: self.users[one] for one in named & self.users.keys()}
            if "organizations" in found and ticket["organization_id"] in self.organizations:
                one = self.organizations[ticket["organization_id"]]
                found["organizations"][one["id"]] = one
        return {name: list(records.values()) for name, records in found.items()}

    def create(self, number: int, at: datetime) -> str:
        self.emit({"id": number, "at": at.isoformat()})
        return f"ticket/{number}"

    def edit(self, number: int, at: datetime) -> None:
        self.emit(
            {"id": number, "subject": f"Edited at {at}", "status": "open", "at": at.isoformat()}
        )

    def delete(self, number: int, at: datetime) -> None:
        self.emit({"id": number, "status": "deleted", "at": at.isoformat()})

    def push(self, number: int) -> Call:
        return pushed(self.tickets[number], self.signing_secret, self.now())

    def blank(self) -> None:
        self._blank = True

    def forget(self) -> None:
        self._forgotten += 1

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Open or change a ticket: its fields at the top or inside "ticket".

        "requester" {"name", "email"} and "organization" {"name", "domain"} say who asks: a name
        alone will do, null is nobody. The status "deleted" deletes. `{}` opens a ticket.
        """
        at = moment(record)
        given = {name: value for name, value in record.items() if name not in _NO_FIELDS}
        given |= record.get("ticket", {})
        for name, choices in _CHOICES.items():
            if name in given and given[name] not in choices:
                raise ValueError(f"a ticket's {name} may not be {given[name]!r}")
        number = int(given.pop("id", 0)) or max(self.tickets, default=0) + 1
        ticket = self.tickets.get(number)
        if is_new := ticket is None:
            solved = given.get("status") in {"solved", "closed"}
            ticket = _blank(number, at - timedelta(hours=2) if solved else at)
        if is_new or record.keys() & {"requester", "organization"}:
            ticket |= self.people.asked_by(record, at)
        if rating := given.get("satisfaction_rating"):
            rating = {"score": rating} if isinstance(rating, str) else rating
            # An answer that is changed is a new rating, with an id of its own.
            given["satisfaction_rating"] = {"id": next(self._ratings), "comment": None} | rating
        ticket |= given | {"raw_subject": given.get("subject", ticket["subject"])}
        if ticket["status"] not in {"new", "deleted"} and ticket["assignee_id"] is None:
            agent = self.people.user("Sam Okafor", "sam@acme.example", at, role="agent")
            ticket["assignee_id"] = agent["id"]
        ticket["updated_at"] = iso(at)
        self.tickets[number] = ticket
        self._stamp(ticket, at)
        problem = self.tickets.get(ticket["problem_id"] or 0)
        if problem is not None and not problem["has_incidents"]:
            # The system's own change: the stamp moves, `updated_at` does not.
            problem |= {"type": "problem", "has_incidents": True}
            self._stamp(problem, at)
        return ticket

    def _stamp(self, ticket: Record, at: datetime) -> None:
        """Put a ticket at the end of the export.

        Zendesk withholds the last minute so that nothing can appear behind a cursor. A twin
        without a lag does it by moving the stamp on, by a second at most.
        """
        second = max(int(at.timestamp()), self._newest[0])
        ticket["generated_timestamp"] = second + ((second, ticket["id"]) <= self._newest)
        self._newest = _place(ticket)


def _blank(number: int, at: datetime) -> Record:
    """Write a new ticket, with the fields and nulls of the vendor's own example."""
    subject, description = _MADE_UP[number % len(_MADE_UP)]
    nothing = ("external_id", "type", "priority", "recipient", "assignee_id", "group_id",
               "problem_id", "due_at")  # fmt: skip
    return {
        "id": number,
        "url": f"{HOME}/api/v2/tickets/{number}.json",
        "via": {"channel": "web"},
        "created_at": iso(at),
        "subject": subject,
        "description": description,
        "status": "new",
        "has_incidents": False,
        "is_public": True,
        "tags": [],
        "custom_fields": [],
        "collaborator_ids": [],
        "follower_ids": [],
        "sharing_agreement_ids": [],
        "satisfaction_rating": {"score": "unoffered"},
        **dict.fromkeys(nothing),
    }


def _place(ticket: Record) -> tuple[int, int]:
    return ticket["generated_timestamp"], ticket["id"]


def _read_cursor(cursor: str, forgotten: int) -> tuple[int, int] | None:
    """Read a place; None for what is none, or was handed out before it was forgotten."""
    form = r"(\d+)\.0\|\|(\d+)\|(\d*)\|?"
    try:
        read = re.fullmatch(form, b64decode(cursor, validate=True).decode())
    except ValueError:
        return None
    known = read and int(read[3] or 0) == forgotten
    return (int(read[1]), int(read[2])) if read and known else None


def _invalid(status: int, description: str) -> Response:
    return JSONResponse({"error": "InvalidValue", "description": description}, status)
