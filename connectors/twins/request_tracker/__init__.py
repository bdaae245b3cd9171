"""A Request Tracker on loopback: tickets, their transactions and what was written in them.

Written down from RT's pages, and compared with what RT 5.0.3 answers (tests/live):
- REST 2.0: https://docs.bestpractical.com/rt/5.0.3/RT/REST2.html
- TransactionSQL: https://docs.bestpractical.com/rt/5.0.3/query_builder.html
"""

import json
from base64 import b64encode
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Check, Excuse, Fault
from connectors.twins.request_tracker.desk import Desk, Record
from connectors.twins.request_tracker.queries import Query

_ROOT = "/REST/2.0"
_FIELDS = {
    "transactions": frozenset({"id", "ObjectType", "ObjectId", "Type", "Field", "OldValue",
        "NewValue", "Created", "Creator"}),
    "tickets": frozenset({"id", "Subject", "Status", "Priority", "Created", "LastUpdated", "Queue",
        "Requestor", "Owner", "EffectiveId"}),
    "attachments": frozenset({"id", "TransactionId", "ContentType", "Filename", "Headers",
        "Content", "Subject", "Created"}),
}  # fmt: skip
_USER_FIELDS = frozenset({"Name", "RealName", "EmailAddress", "Organization"})


def _is_list(allowed: frozenset[str]) -> Check:
    return lambda text: set(text.split(",")) <= allowed


def _paged(what: str) -> dict[str, Check]:
    return {
        "fields": _is_list(_FIELDS[what]),
        "orderby": lambda text: text == "id",
        "order": lambda text: text in {"ASC", "DESC"},
        "page": lambda text: text.isdigit() and int(text) >= 1,
        "per_page": lambda text: text.isdigit() and 1 <= int(text) <= 100,
    }


class Twin(twins.Twin):
    connector: ClassVar[str] = "request_tracker"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.CURSOR_EXPIRED: Excuse(
            "it is asked for ids after one, which need not exist: RT keeps no cursor",
            "https://docs.bestpractical.com/rt/5.0.3/RT/REST2.html",
        ),
        Fault.PUSH: Excuse(
            "none of RT's own actions calls an address: it tells people, by mail",
            "https://docs.bestpractical.com/rt/5.0.3/customizing/scrip_conditions_and_actions.html",
        ),
    }

    def __init__(
        self, *, token: str = "", utc_offset: timedelta = timedelta(0), superuser: bool = False
    ) -> None:
        """Serve to `token`, else to root; times in a query are read in the account's zone."""
        super().__init__()
        self.superuser = superuser
        self.token, self.user, self.password = token, "root", "twin-password"
        self.utc_offset = utc_offset
        self.desk = Desk()
        self.uncommitted: set[int] = set()
        """Ids of transactions that the database has numbered and not yet shown."""
        self.hidden: set[int] = set()
        """Numbers of tickets that the account may not see."""
        self._blank, self._blanked = False, ""

    def table(self) -> tuple[Allowed, ...]:
        of_people = _is_list(_USER_FIELDS)
        expanded: dict[str, Check] = {
            "fields[Queue]": lambda text: text == "Name",
            "fields[Requestor]": of_people,
            "fields[Owner]": of_people,
        }
        query: dict[str, Check] = {"query": bool}
        tickets, rows = query | _paged("tickets") | expanded, query | _paged("transactions")
        asked = frozenset(query)
        return (
            Allowed("GET", f"{_ROOT}/tickets", self._search_tickets, tickets, asked),
            Allowed("GET", f"{_ROOT}/ticket/{{id:int}}", self._ticket),
            Allowed("GET", f"{_ROOT}/queue/{{name}}", self._queue),
            Allowed("GET", f"{_ROOT}/transactions", self._search_transactions, rows, asked),
            Allowed("POST", f"{_ROOT}/attachments", self._search_texts, _paged("attachments")),
        )

    def settings(self, url: str) -> dict[str, Any]:
        if self.token:
            return {"url": url, "token": self.token}
        return {"url": url, "user": self.user, "password": self.password}

    def create(self, number: int, at: datetime) -> str:
        opened = self.emit({"Subject": f"Ticket {number}", "text": "Help!", "at": at.isoformat()})
        return f"ticket/{opened['id']}"

    def edit(self, number: int, at: datetime) -> None:
        self.emit({"ticket": number, "Subject": f"Renamed at {at}", "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        self.emit({"ticket": number, "Status": "deleted", "at": at.isoformat()})

    def blank(self) -> None:
        self._blank = True

    def refuse(self, request: Request) -> Response | None:
        pair = b64encode(f"{self.user}:{self.password}".encode()).decode()
        wanted = f"token {self.token}" if self.token else f"Basic {pair}"
        if request.headers.get("authorization") == wanted:
            return None
        return _message(401, "Unauthorized")

    def emit(self, record: Mapping[str, Any]) -> Record:
        return self.desk.emit(record)

    async def _ticket(self, request: Request) -> Response:
        number = request.path_params["id"]
        known = number in self.desk.tickets
        return JSONResponse(self.desk.shown(number)) if known else _message(404, "Not Found")

    async def _queue(self, request: Request) -> Response:
        for number, known in self.desk.queues.items():
            if request.path_params["name"] in {known, str(number)}:
                return JSONResponse({"id": number, "Name": known})
        return _message(404, "Not Found")

    async def _search_tickets(self, request: Request) -> Response:
        rows = [
            self.desk.shown(number) | {"id": str(number), "EffectiveId": str(number)}
            for number, ticket in self.desk.tickets.items()
            if ticket["Status"] != "deleted" and ticket["EffectiveId"] == number
        ]
        for row in rows:
            self._expand(row, request.query_params)
        return self._answer(request, rows)

    def _expand(self, row: Record, asked: Mapping[str, str]) -> None:
        """Add what `fields[Owner]=RealName` asks for to each user of a ticket."""
        for role in ("Owner", "Requestor"):
            names = asked.get(f"fields[{role}]", "").split(",")
            for user in [row[role]] if role == "Owner" else row[role]:
                known = self.desk.users[user["id"]]
                user.update({name: known.get(name, "") for name in names if name})
        if "fields[Queue]" in asked:
            row["Queue"]["Name"] = self.desk.queues[int(row["Queue"]["id"])]

    async def _search_transactions(self, request: Request) -> Response:
        shown = [row for row in self.desk.transactions if int(row["id"]) not in self.uncommitted]
        return self._answer(request, shown)

    def _answer(self, request: Request, rows: list[Record]) -> Response:
        try:
            text = request.query_params["query"]
            query = Query(text, self.utc_offset)
            found = [row for row in rows if query.holds(row)]
        except (ValueError, LookupError) as error:
            return _message(400, str(error))
        if "order" not in request.query_params:
            return self._page(request, found, counted=request.url.path.endswith("/tickets"))
        if self._blank:
            self._blank, self._blanked = False, text
        # What the account may not see is left out of a page that was cut before.
        first = self.hidden if text != self._blanked else self.hidden | {0}
        unseen = [{"id": "0", "ObjectId": "0"}] * self.page if text == self._blanked else []
        return self._page(request, [*unseen, *found], first, most=self.page)

    async def _search_texts(self, request: Request) -> Response:
        """Conditions on one field are alternatives, those on several fields must all hold."""
        wanted: dict[str, set[str]] = {}
        for condition in json.loads(await request.body()):
            wanted.setdefault(condition["field"], set()).add(str(condition["value"]))
        if wrong := wanted.keys() - _FIELDS["attachments"]:
            return _message(400, f"Unknown field: {wrong}")
        found = self.desk.attachments
        for name, values in wanted.items():
            found = [row for row in found if row[name] in values]
        return self._page(request, list(found))

    def _page(
        self,
        request: Request,
        rows: list[Record],
        hidden: Collection[int] = (),
        *,
        most: int = 100,
        counted: bool = False,
    ) -> Response:
        """Show a page of rows, and to a superuser alone how many there are, but of tickets.

        `CurrentUserCanSeeAll` in RT 5.0.3: lib/RT/REST2/Resource/Collection.pm, SearchBuilder.pm
        """
        asked = request.query_params
        size, page = min(int(asked.get("per_page", 20)), most), int(asked.get("page", 1))
        rows.sort(key=lambda row: int(row["id"]), reverse=asked.get("order") == "DESC")
        names = {"id", *(name for name in asked.get("fields", "").split(",") if name)}
        served = [
            {name: row.get(name) for name in names}
            for row in rows[(page - 1) * size : page * size]
            if not (hidden and int(row["ObjectId"]) in hidden)
        ]
        counts, pages = counted or self.superuser, -(-len(rows) // size)
        body: Record = {
            "items": served,
            "count": len(served),
            "total": len(rows) if counts else None,
            "page": page,
            "pages": (pages or 0.0) if counts else None,
            "per_page": size,
        }
        if counts and page < pages:
            # An absolute address, and on the name that RT goes by for itself.
            body["next_page"] = f"https://rt.example{_ROOT}/elsewhere?page={page + 1}"
        return JSONResponse(body)


def _message(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)
