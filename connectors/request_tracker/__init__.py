"""Request Tracker (RT 5): tickets as they change, with who asks and for which customer."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, timedelta
from typing import Any, ClassVar, Self
from urllib.parse import quote

from pydantic import AwareDatetime, model_validator

from connectors.request_tracker.texts import PAGE, Row, number_of, texts_of
from connectors.request_tracker.transactions import (
    FIELDS,
    TYPES,
    made_at,
    name_of,
    place_of,
    transactions_after,
)
from hub.connector import (
    AccountRef,
    Api,
    Basic,
    Batch,
    Connector,
    Cursor,
    Draft,
    Endpoint,
    Header,
    Http,
    IdWatermark,
    Page,
    PersonRef,
    SecretStr,
    SourceMisbehaved,
    Status,
    utc,
)

_OPENED, _UPDATED, _SOLVED = (f"support.ticket.{name}" for name in ("opened", "updated", "solved"))
_ESCALATED = "support.escalation"
# RT numbers a transaction before it is committed, and makes a ticket within one.
_PLACES = IdWatermark(settling=timedelta(minutes=1))
_REWOUND = ("Subject", "Status", "Priority")
_USER = "RealName,EmailAddress,Organization"
_FREE_MAIL = frozenset({
    "aol.com", "gmail.com", "gmx.at", "gmx.ch", "gmx.de", "gmx.net", "googlemail.com",
    "hotmail.com", "icloud.com", "laposte.net", "libero.it", "live.com", "mail.ru", "me.com",
    "msn.com", "orange.fr", "outlook.com", "proton.me", "protonmail.com", "qq.com", "t-online.de",
    "web.de", "yahoo.com", "yandex.ru", "163.com",
})  # fmt: skip
"""Whoever writes from there is no customer of that name."""


class RequestTracker(Connector):
    """Tickets of Request Tracker 5, through REST 2.0.

    One signal per ticket (`ticket/<id>`) with a revision for each transaction that changes what is
    shown; internal comments are none. The transactions' ids are the cursor. LastUpdated is not: it
    is compared in the time zone of the account, to the second, and tells nothing of deletion.
    A ticket that is merged is solved; one that leaves the chosen queues is gone.

    Attributes: number, queue, state (RT's own status), priority.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({_OPENED, _UPDATED, _SOLVED, _ESCALATED})
    sign_in: ClassVar[str] = "An authentication token, or a login and its password."
    scopes: ClassVar[tuple[str, ...]] = ("SeeQueue", "ShowTicket")
    limits: ClassVar[str] = "None of RT's own. Internal comments are not read."
    freshness: ClassVar[str] = "The last minute is read again: a number may appear late."

    url: str
    """Where people open RT: https://rt.example.org"""
    token: SecretStr | None = None
    """An authentication token (Logged in as > Settings > Auth Tokens)."""
    user: str | None = None
    """A login that may see the queues, with its `password`, where there is no token."""
    password: SecretStr | None = None
    queues: frozenset[str] = frozenset()
    """Names of queues; none: every queue that the account may see."""
    since: AwareDatetime | None = None
    """Where the first sync begins; None reads every ticket there is."""
    escalation_priority: int | None = None
    """An open ticket of this priority or a higher one is an escalation."""
    solved_statuses: frozenset[str] = frozenset({"resolved", "rejected"})
    """Statuses that end a ticket, for those who made lifecycles of their own."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if (self.token is None) == (self.user is None):
            raise ValueError("give a token, or a user and password")
        return self

    def endpoint(self) -> Endpoint:
        # https://docs.bestpractical.com/rt/5.0.3/RT/REST2.html#Authentication-Methods
        url = f"{self._base()}/REST/2.0"
        if self.token:
            secret = SecretStr(f"token {self.token.get_secret_value()}")
            return Http(url, Header("Authorization", secret))
        return Http(url, Basic(self.user or "", self.password or SecretStr("")))

    def _base(self) -> str:
        return self.url.rstrip("/").removesuffix("/REST/2.0")

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        try:
            queues = await self._queue_ids(api)

            async def ask(after: str | None) -> Batch:
                return await transactions_after(api, f"id > {after}" if after else self._begin())

            async def complete(rows: Sequence[Row]) -> Sequence[Row]:
                return await _records(api, [row for row in rows if self._is_shown(row)], queues)

            place = place_of(cursor)
            pages = _PLACES.pages(
                place, ask, name_of, read=self._draft, at=made_at, complete=complete
            )
            async for page in pages:
                yield page
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise SourceMisbehaved(f"This is no answer of RT: {error!r}") from error

    async def _queue_ids(self, api: Api) -> set[str] | None:
        found = [await api.get(f"/queue/{quote(name, safe='')}") for name in self.queues]
        return {str(queue["id"]) for queue in found} or None

    def _begin(self) -> str:
        if self.since is None:
            return "id > 0"
        # RT reads a time in the time zone of the account, which it does not tell: a day covers all.
        early = self.since.astimezone(UTC) - timedelta(days=1)
        return f"Created > '{early:%Y-%m-%d %H:%M:%S}'"

    def _is_shown(self, row: Row) -> bool:
        if self.since is not None and row.get("Created") and made_at(row) < self.since:
            return False
        # A new owner makes two rows, this and a Set.
        return row["Type"] in TYPES or (row["Field"] in FIELDS and row["Type"] != "SetWatcher")

    def _draft(self, record: Row) -> Draft:
        ticket, number = record["ticket"], int(record["ObjectId"])
        merged = int(ticket["id"]) != number
        status = "merged" if merged else ticket["Status"]
        queue, priority = ticket["Queue"].get("Name"), int(ticket["Priority"] or 0)
        gone = status == "deleted" or record["left"]
        solved = merged or status in self.solved_statuses
        asking = next(iter(ticket["Requestor"]), None)
        title = ticket["Subject"] or "A ticket without a subject"
        kind = _OPENED if record["Type"] == "Create" else _UPDATED
        if solved:
            kind = _SOLVED
        elif self.escalation_priority is not None and priority >= self.escalation_priority:
            kind = _ESCALATED
        return Draft(
            kind=kind,
            external_id=f"ticket/{number}",
            revision=str(record["id"]),
            revised_at=utc(record["Created"]),
            occurred_at=utc(ticket["Created"]),
            title=f"Merged into {ticket['id']}: {title}" if merged else title,
            summary=_change(record),
            body=None if gone else record["text"],
            url=f"{self._base()}/Ticket/Display.html?id={number}",
            status=Status.DELETED if gone else Status.RESOLVED if solved else Status.OPEN,
            account=_account(asking) if asking else None,
            author=_person(asking) if asking else None,
            owner=_person(ticket["Owner"]) if ticket["Owner"]["id"] != "Nobody" else None,
            labels=(queue,) if queue else (),
            attributes={"number": number, "queue": queue, "state": status, "priority": priority},
            thread=f"ticket/{ticket['id']}",
        )


async def _records(api: Api, rows: Sequence[Row], queues: set[str] | None) -> list[dict[str, Any]]:
    """Put the ticket to each transaction, as it was then: the later changes are undone."""
    about = {str(number) for row in rows if (number := number_of(row, "ObjectId"))}
    if not about:
        return [dict(row) for row in rows]  # to be set aside
    tickets = await _tickets(api, about)
    queue = {one: str((ticket.get("Queue") or {}).get("id")) for one, ticket in tickets.items()}
    outside = {one for one in tickets if queues is not None and queue[one] not in queues}
    read = [one for one in tickets.keys() - outside if tickets[one].get("Status") != "deleted"]
    texts = await texts_of(api, read)
    records = []
    for row in reversed(rows):
        one = str(number_of(row, "ObjectId"))
        if one not in tickets:
            records.append(dict(row))
            continue
        ticket, left = tickets[one], one in outside
        if not left or (row["Field"] == "Queue" and row["OldValue"] in (queues or ())):
            text = texts.get(one)
            records.append({**row, "ticket": ticket, "text": text, "left": left})
        if row["Field"] in _REWOUND:
            tickets[one] = {**ticket, row["Field"]: row["OldValue"]}
    return records[::-1]


async def _tickets(api: Api, ids: Collection[str]) -> dict[str, Row]:
    """Look up tickets. A search leaves out those deleted and merged; alone they are shown."""
    body = await api.get(
        "/tickets",
        query=" OR ".join(f"id = {one}" for one in ids),
        fields="Subject,Status,Priority,Created,Queue,Requestor,Owner",
        per_page=PAGE,
        **{"fields[Queue]": "Name", "fields[Requestor]": _USER, "fields[Owner]": _USER},
    )
    shown = {str(ticket.get("id")): ticket for ticket in body["items"]}
    found: dict[str, Row] = {one: shown[one] for one in shown.keys() & set(ids)}
    return found | {one: await api.get(f"/ticket/{one}") for one in set(ids) - found.keys()}


def _change(row: Row) -> str:
    field = row["Field"]
    if row["Type"] == "Correspond":
        return f"{row['Creator']['id']} answered"
    if field in _REWOUND:
        return f"{field}: {row['OldValue']} → {row['NewValue']}"
    return {"": "", "MergedInto": "Merged"}.get(field, f"{field} changed")


def _person(user: Row) -> PersonRef:
    email = user.get("EmailAddress") or (user["id"] if "@" in user["id"] else None)
    return PersonRef(name=user.get("RealName") or user["id"], email=email, handle=user["id"])


def _account(user: Row) -> AccountRef | None:
    """Tell the customer: the organization in RT, else the domain of the address."""
    email = _person(user).email or ""
    domain = email.rpartition("@")[2].lower()
    known = domain if "." in domain and domain not in _FREE_MAIL else ""
    name = user.get("Organization") or known
    return AccountRef(name=name, domain=known or None) if name else None
