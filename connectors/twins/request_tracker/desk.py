"""What people do in a Request Tracker on loopback: tickets, transactions and what was written."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.twins import moment

_MADE_UP = (
    ("Cannot sign in since the update", "The page says that my session has expired."),
    ("How do I move a project?", "It belongs to another team by now."),
    ("The invoice of May is missing", "Our accounting asks for it."),
)
_STATUSES = frozenset({"new", "open", "stalled", "resolved", "rejected", "deleted"})
_CHANGES = {"Subject", "Priority", "Status", "Queue", "Owner"}
_NO_FIELDS = frozenset({"at", "ticket", "requestor", "text", "html", "reply", "merge_into"})

Record = dict[str, Any]


class Desk:
    """Tickets, and everything that RT notes of them."""

    def __init__(self) -> None:
        self.queues = {1: "General"}
        self.users: dict[str, Record] = {
            "Nobody": {"Name": "Nobody", "RealName": "Nobody in particular"},
            "root": {"Name": "root", "RealName": "Enoch Root", "EmailAddress": "root@rt.example"},
        }
        self.tickets: dict[int, Record] = {}
        self.transactions: list[Record] = []
        self.attachments: list[Record] = []

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
            self.write(self._note(number, at, "Correspond"), record["reply"], "text/plain")
        for name, value in changes.items():
            self._change(number, at, name, value)
        if into := record.get("merge_into"):
            ticket["EffectiveId"] = into
            for one in (number, into):
                uri = f"fsck.com-rt://rt.example/ticket/{into}"
                self._note(one, at, "AddLink", ("MergedInto", "", uri))
        return self.shown(number)

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
            self.write(opened, record["html"], "text/html")
        elif "text" in record or "Subject" not in record:
            self.write(opened, record.get("text", text), "text/plain")
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

    def write(self, transaction: int, text: str, content_type: str, filename: str = "") -> None:
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

    def shown(self, number: int) -> Record:
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


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
