"""A Request Tracker on loopback: tickets, their transactions and what was written in them.

Written down from RT's pages, and compared with what RT 5.0.3 answers (tests/live):
- REST 2.0: https://docs.bestpractical.com/rt/5.0.3/RT/REST2.html
- TransactionSQL: https://docs.bestpractical.com/rt/5.0.3/query_builder.html
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from operator import eq, gt, lt
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Check, Excuse, Fault, moment

_ROOT = "/REST/2.0"
_MADE_UP = (
    ("Cannot sign in since the update", "The page says that my session has expired."),
    ("How do I move a project?", "It belongs to another team by now."),
    ("The invoice of May is missing", "Our accounting asks for it."),
)
_STATUSES = frozenset({"new", "open", "stalled", "resolved", "rejected", "deleted"})
_CHANGES = {"Subject", "Priority", "Status", "Queue", "Owner"}
_NO_FIELDS = frozenset({"at", "ticket", "requestor", "text", "html", "reply", "merge_into"})
_COLUMNS = ("id", "ObjectId", "Created", "ObjectType", "Type", "Field")
_FIELDS = {
    "transactions": frozenset({"id", "ObjectType", "ObjectId", "Type", "Field", "OldValue",
        "NewValue", "Created", "Creator"}),
    "tickets": frozenset({"id", "Subject", "Status", "Priority", "Created", "LastUpdated", "Queue",
        "Requestor", "Owner", "EffectiveId"}),
    "attachments": frozenset({"id", "TransactionId", "ContentType", "Filename", "Headers",
        "Content", "Subject", "Created"}),
}  # fmt: skip
_USER_FIELDS = frozenset({"Name", "RealName", "EmailAddress", "Organization"})

Record = dict[str, Any]
Part = Callable[[list[str], Record], bool]


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
        self.queues = {1: "General"}
        self.users: dict[str, Record] = {
            "Nobody": {"Name": "Nobody", "RealName": "Nobody in particular"},
            "root": {"Name": "root", "RealName": "Enoch Root", "EmailAddress": "root@rt.example"},
        }
        self.tickets: dict[int, Record] = {}
        self.transactions: list[Record] = []
        self.attachments: list[Record] = []
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
        """Open a ticket, or change the one whose number is "ticket".

        "Subject", "Status", "Priority", "Queue", "Owner" are RT's fields; "text" or "html" open
        it, "reply" answers it, "requestor" {"name", "email", "organization"} asks, "merge_into"
        takes another's number.
        """
        at = _iso(moment(record))
        changes = {name: record[name] for name in record if name not in _NO_FIELDS}
        if changes.keys() - _CHANGES or changes.get("Status", "new") not in _STATUSES:
            raise ValueError(f"no such change of a ticket: {changes}")
        if "Queue" in changes:
            changes["Queue"] = self._queue_id(changes["Queue"])
        if "Priority" in changes:
            changes["Priority"] = str(changes["Priority"])
        number = int(record.get("ticket", 0)) or self._open(record, changes, at)
        ticket = self.tickets[number]
        if "requestor" in record and "ticket" in record:
            ticket["Requestor"] = [self._person(record["requestor"])]
            self._note(number, at, "AddWatcher", ("Requestor", "", "99"))
        if "reply" in record:
            self._write(self._note(number, at, "Correspond"), record["reply"], "text/plain")
        for name, value in changes.items():
            self._change(number, at, name, value)
        if into := record.get("merge_into"):
            ticket["EffectiveId"] = into
            for one in (number, into):
                uri = f"fsck.com-rt://rt.example/ticket/{into}"
                self._note(one, at, "AddLink", ("MergedInto", "", uri))
        return self._shown(number)

    def _change(self, number: int, at: str, name: str, value: Any) -> None:
        before, self.tickets[number][name] = self.tickets[number][name], value
        if before != value:
            change = (name, str(before), str(value))
            self._note(number, at, "Status" if name == "Status" else "Set", change)
            if name == "Owner":
                self._note(number, at, "SetWatcher", change)

    def _open(self, record: Mapping[str, Any], changes: Record, at: str) -> int:
        number = len(self.tickets) + 1
        subject, text = _MADE_UP[number % len(_MADE_UP)]
        asking = record.get("requestor", {"email": f"customer{number}@acme.example"})
        self.tickets[number] = {
            "Subject": changes.pop("Subject", subject),
            "Status": "new",
            "Priority": changes.pop("Priority", "0"),
            "Queue": changes.pop("Queue", 1),
            "Owner": "Nobody",
            "Requestor": [self._person(asking)] if asking else [],
            "Created": at,
            "EffectiveId": number,
        }
        self._note(number, at, "Create", about="RT::Group")
        opened = self._note(number, at, "Create")
        if "html" in record:
            self._write(opened, record["html"], "text/html")
        elif "text" in record or "Subject" not in record:
            self._write(opened, record.get("text", text), "text/plain")
        self._note(number, at, "EmailRecord")
        return number

    def _note(
        self,
        number: int,
        at: str,
        kind: str,
        change: tuple[str, str, str] = ("", "", ""),
        about: str = "RT::Ticket",
    ) -> int:
        row = {"id": str(len(self.transactions) + 1), "ObjectId": str(number), "ObjectType": about}
        row |= {"Type": kind, "Created": at}
        row |= zip(("Field", "OldValue", "NewValue"), change, strict=True)
        self.transactions.append({**row, "Creator": {"id": "root", "type": "user"}})
        return len(self.transactions)

    def _write(self, transaction: int, text: str, content_type: str, filename: str = "") -> None:
        part = {"id": str(len(self.attachments) + 1), "TransactionId": str(transaction)}
        part |= {"ContentType": content_type, "Filename": filename, "Content": text}
        headers = f"MIME-Version: 1.0\nContent-Length: {len(text.encode())}"
        self.attachments.append(part | {"Headers": headers})

    def _person(self, given: Mapping[str, Any]) -> str:
        email, name = given.get("email", ""), given.get("name", "")
        organization = given.get("organization", "")
        known = {"Name": email or name, "RealName": name, "EmailAddress": email}
        self.users[email or name] = known | {"Organization": organization}
        return str(email or name)

    def _queue_id(self, name: str) -> int:
        known = {self.queues[number]: number for number in self.queues}
        self.queues[known.setdefault(name, len(known) + 1)] = name
        return known[name]

    def _shown(self, number: int) -> Record:
        """Show one ticket as GET /ticket does: a merged one is the ticket it went into."""
        ticket = self.tickets[number := self.tickets[number]["EffectiveId"]]
        return {
            **ticket,
            "id": number,
            "Queue": {"id": str(ticket["Queue"]), "type": "queue"},
            "Owner": {"id": ticket["Owner"], "type": "user"},
            "Requestor": [{"id": one, "type": "user"} for one in ticket["Requestor"]],
            "EffectiveId": {"id": str(number), "type": "ticket"},
        }

    async def _ticket(self, request: Request) -> Response:
        number = request.path_params["id"]
        known = number in self.tickets
        return JSONResponse(self._shown(number)) if known else _message(404, "Not Found")

    async def _queue(self, request: Request) -> Response:
        for number, known in self.queues.items():
            if request.path_params["name"] in {known, str(number)}:
                return JSONResponse({"id": number, "Name": known})
        return _message(404, "Not Found")

    async def _search_tickets(self, request: Request) -> Response:
        rows = [
            self._shown(number) | {"id": str(number), "EffectiveId": str(number)}
            for number, ticket in self.tickets.items()
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
                known = self.users[user["id"]]
                user.update({name: known.get(name, "") for name in names if name})
        if "fields[Queue]" in asked:
            row["Queue"]["Name"] = self.queues[int(row["Queue"]["id"])]

    async def _search_transactions(self, request: Request) -> Response:
        shown = [row for row in self.transactions if int(row["id"]) not in self.uncommitted]
        return self._answer(request, shown)

    def _answer(self, request: Request, rows: list[Record]) -> Response:
        try:
            text = request.query_params["query"]
            query = _Query(text, self.utc_offset)
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
        found = self.attachments
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


class _Query:
    """The part of TransactionSQL and TicketSQL that compares fields, with AND, OR and brackets."""

    def __init__(self, text: str, utc_offset: timedelta) -> None:
        self.utc_offset = utc_offset
        self.tokens = re.findall(r"[()]|'[^']*'|[^\s()'<>=!]+|[<>=!]+", text)

    def holds(self, row: Record) -> bool:
        rest = [*self.tokens, "end"]
        held = self._any(rest, row)
        if rest != ["end"]:
            raise ValueError(f"Wrong query, expecting an AGGREGATOR at {rest[0]}")
        return held

    def _any(self, rest: list[str], row: Record) -> bool:
        return any(self._parts(rest, row, "OR", self._all))

    def _all(self, rest: list[str], row: Record) -> bool:
        return all(self._parts(rest, row, "AND", self._one))

    def _parts(self, rest: list[str], row: Record, word: str, part: Part) -> list[bool]:
        held = [part(rest, row)]
        while rest[0] == word:
            rest.pop(0)
            held.append(part(rest, row))
        return held

    def _one(self, rest: list[str], row: Record) -> bool:
        if (field := rest.pop(0)) == "(":
            held = self._any(rest, row)
            if rest.pop(0) != ")":
                raise ValueError("Wrong query, expecting a CLOSE_PAREN")
            return held
        if field not in _COLUMNS or rest[0] not in {"=", "<", ">"}:
            raise ValueError(f"Wrong query, expecting a known field and an OPERATOR in '{field}'")
        compare = {"=": eq, "<": lt, ">": gt}[rest.pop(0)]
        return bool(compare(self._value(field, row[field]), self._value(field, rest.pop(0))))

    def _value(self, field: str, text: str) -> int | str | datetime:
        if field in {"id", "ObjectId"}:
            return int(text)
        if field == "Created" and text.startswith("'"):  # as the account's clock shows it
            return datetime.fromisoformat(text.strip("'") + "Z") - self.utc_offset
        return datetime.fromisoformat(text) if field == "Created" else text.strip("'")


def _message(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
