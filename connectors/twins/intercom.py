"""Intercom: a workspace with conversations, tickets, ratings and a search that pages by a cursor.

Written down from the vendor's description (https://github.com/intercom/Intercom-OpenAPI, MIT) and
- https://developers.intercom.com/docs/references/rest-api/api.intercom.io/conversations/searchconversations
- https://developers.intercom.com/docs/references/rest-api/api.intercom.io/tickets/searchtickets
- https://developers.intercom.com/docs/references/unstable/webhooks/webhook-models
"""

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, ClassVar, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Call, Excuse, Fault, No, moment

Record: TypeAlias = dict[str, Any]

_TOPICS = "https://developers.intercom.com/docs/references/unstable/webhooks/webhook-models"
_FIELDS = frozenset({"updated_at", "created_at", "id", "state", "open"})
_OPERATORS = frozenset({"=", "!=", "IN", "NIN", "<", "<=", ">", ">=", "~", "!~", "^", "$"})
_ADMINS = {"991": "Ciaran Lee", "992": "Ana Costa"}
_MADE_UP = (
    ("Invoice twice", "<p>Hello,</p><p>we were <b>billed</b> twice in May.</p>"),
    ("Where is the export?", "<p>I cannot find the export any longer.</p>"),
    ("Password", "<p>The link to reset it has expired.</p>"),
)


class Twin(twins.Twin):
    connector: ClassVar[str] = "intercom"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.GONE: Excuse(
            "what is deleted only vanishes from the search: the topic conversation.deleted tells of"
            " it, and is read",
            _TOPICS,
        ),
    }

    def __init__(self, *, token: str = "dG9rOnR3aW4=", page: int = 150) -> None:  # noqa: S107 - opens nothing
        self.token, self.page = token, page
        self.signing_secret = "client-secret"  # noqa: S105 - of the app
        self.records: dict[str, dict[str, Record]] = {"conversations": {}, "tickets": {}}
        self.lag = timedelta(0)
        """How long the search does not know of a change."""
        self._numbers = count(1)
        self._blank = False
        self._era = 0
        super().__init__()

    def table(self) -> tuple[Allowed, ...]:
        said = frozenset({"intercom-version"})
        return (
            Allowed("POST", "/conversations/search", self._search, headers=said),
            Allowed("POST", "/tickets/search", self._search, headers=said),
            Allowed("GET", "/admins", self._admins, headers=said),
        )

    def settings(self, url: str) -> dict[str, Any]:
        given = {"url": url, "token": self.token, "per_minute": 60_000, "workspace": "abc12345"}
        return given | {"signing_secret": self.signing_secret}

    def refuse(self, request: Request) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _error(401, "unauthorized", "Access Token Invalid")
        return None

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Open or change a conversation, or with `ticket` a ticket, by its `number`.

        What is said in it (title, source, state, conversation_rating, ticket_attributes ...) is as
        in the API; `reply` lets a teammate answer, `delete` deletes.
        """
        at = int(moment(record).timestamp())
        is_ticket = bool(record.get("ticket"))
        kept = self.records["tickets" if is_ticket else "conversations"]
        number = str(record.get("number") or next(self._numbers))
        if record.get("delete"):
            return kept.pop(number)
        blank = _ticket if is_ticket else _conversation
        one = kept.setdefault(number, blank(number, at))
        one |= {key: value for key, value in record.items() if key in one and key != "id"}
        if record.get("reply"):
            one["statistics"] = {"first_admin_reply_at": at}
        if "state" in record:
            one["open"] = record["state"] != "closed"
        one["updated_at"] = at
        return one

    def limited(self, seconds: int) -> No:
        """Tell when: https://developers.intercom.com/docs/references/rest-api/errors/rate-limiting."""
        # By the clock of the machine, of which the answer's own Date is.
        reset = str(int(datetime.now(UTC).timestamp()) + seconds)
        code = {"code": "rate_limit_exceeded", "message": "You have exceeded the rate limit"}
        told = {"type": "error.list", "errors": [code]}
        return No(429, told, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset})

    def create(self, number: int, at: datetime) -> str:
        title = f"Conversation {number}"
        made = self.emit({"number": number, "title": title, "at": at.isoformat()})
        return f"conversation/{made['id']}"

    def edit(self, number: int, at: datetime) -> None:
        title = f"{self.records['conversations'][str(number)]['title']}!"
        self.emit({"number": number, "title": title, "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        self.emit({"number": number, "delete": True, "at": at.isoformat()})

    def push(self, number: int) -> Call:
        return self.call("conversation.admin.replied", self.records["conversations"][str(number)])

    def call(self, topic: str, item: Record) -> Call:
        """Tell as a webhook of version 2.15 does: with plain text where the API has HTML."""
        at = int(self.now().timestamp())
        about = json.loads(json.dumps(item).replace("<p>", "").replace("</p>", "\\n\\n"))
        told = {
            "type": "notification_event",
            "app_id": "abc12345",
            "topic": topic,
            "data": {"type": "notification_event_data", "item": about},
            "delivery_attempts": 1,
            "first_sent_at": at,
            "created_at": at,
        }
        told["id"] = f"notif_{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:24]}"
        body = json.dumps(told).encode()
        signed = hmac.new(self.signing_secret.encode(), body, hashlib.sha1).hexdigest()
        return Call(body, {"content-type": "application/json", "x-hub-signature": f"sha1={signed}"})

    def blank(self) -> None:
        self._blank = True

    def forget(self) -> None:
        self._era += 1

    async def _search(self, request: Request) -> Response:
        asked = json.loads(await request.body())
        query, paging = asked.get("query"), asked.get("pagination") or {}
        if not isinstance(query, dict) or wrong(query):
            return _error(400, "parameter_invalid", wrong(query) if query else "query is required")
        size, after = paging.get("per_page", 20), paging.get("starting_after")
        if not 1 <= size <= 150:
            return _error(400, "parameter_invalid", "per_page must be between 1 and 150")
        part = request.url.path.strip("/").partition("/")[0]
        newest = (self.now() - self.lag).timestamp()
        found = [
            one
            for one in self.records[part].values()
            if one["updated_at"] <= newest and _fits(one[query["field"]], query)
        ]
        sort = asked.get("sort") or {"field": "updated_at", "order": "descending"}
        falls = sort["order"] == "descending"
        found.sort(key=lambda one: (one[sort["field"]], int(one["id"])), reverse=falls)
        start = 0
        if after is not None:
            era, _, place = b64decode(after).decode().partition(":")
            if era != str(self._era):
                return _error(400, "parameter_invalid", "starting_after is no longer valid")
            start = int(place)
        size, self._blank, blank = min(size, self.page), False, self._blank
        end = start if blank else start + size
        pages: Record = {"type": "pages", "page": 1, "per_page": size, "total_pages": 1}
        if blank or end < len(found):
            place = b64encode(f"{self._era}:{end}".encode()).decode()
            pages["next"] = {"page": 2, "starting_after": place}
        kind = part.removesuffix("s")
        shown = {"type": f"{kind}.list", part: found[start:end], "total_count": len(found)}
        return JSONResponse({**shown, "pages": pages})

    async def _admins(self, request: Request) -> Response:
        del request
        admins = [
            {"type": "admin", "id": name, "name": said, "email": f"{name}@acme.example"}
            for name, said in _ADMINS.items()
        ]
        return JSONResponse({"type": "admin.list", "admins": admins})


def wrong(query: Mapping[str, Any]) -> str:
    """Say what the description does not allow in a query of one filter."""
    if query.get("field") not in _FIELDS:
        return f"the field {query.get('field')} cannot be searched"
    if query.get("operator") not in _OPERATORS:
        return f"{query.get('operator')} is no operator"
    return "" if isinstance(query.get("value"), (int, str, bool, list)) else "a value is required"


def _fits(value: Any, query: Mapping[str, Any]) -> bool:
    return bool(value > query["value"] if query["operator"] == ">" else value == query["value"])


def _conversation(number: str, at: int) -> Record:
    subject, body = _MADE_UP[int(number) % len(_MADE_UP)]
    author = {"type": "user", "id": "u1", "name": "Robin Weber", "email": "robin@globex.example"}
    return {
        "type": "conversation",
        "id": f"515{number}",
        "title": None,
        "created_at": at,
        "updated_at": at,
        "waiting_since": at,
        "snoozed_until": None,
        "source": {
            "type": "email",
            "id": f"4039{number}",
            "delivered_as": "customer_initiated",
            "subject": f"<p>{subject}</p>",
            "body": body,
            "author": author,
            "attachments": [],
            "url": None,
        },
        "contacts": {"type": "contact.list", "contacts": [{"type": "contact", "id": "u1"}]},
        "first_contact_reply": None,
        "admin_assignee_id": None,
        "team_assignee_id": None,
        "company": None,
        "open": True,
        "state": "open",
        "read": False,
        "tags": {"type": "tag.list", "tags": []},
        "priority": "not_priority",
        "statistics": None,
        "conversation_rating": None,
        "custom_attributes": {"vip": True},
    }


def _ticket(number: str, at: int) -> Record:
    return {
        "type": "ticket",
        "id": f"633{number}",
        "ticket_id": number,
        "category": "Customer",
        "ticket_attributes": {
            "_default_title_": "The export is empty",
            "_default_description_": "<p>Since this morning.</p>",
        },
        "ticket_state": {"type": "ticket_state", "id": "8577", "category": "submitted"},
        "ticket_type": {"type": "ticket_type", "id": "100", "name": "Bug", "category": "Customer"},
        "contacts": {"type": "contact.list", "contacts": [{"type": "contact", "id": "u1"}]},
        "admin_assignee_id": "0",
        "team_assignee_id": "0",
        "created_at": at,
        "updated_at": at,
        "open": True,
        "is_shared": False,
    }


def _error(status: int, code: str, message: str) -> Response:
    told = {"type": "error.list", "errors": [{"code": code, "message": message}]}
    return JSONResponse(told, status)
