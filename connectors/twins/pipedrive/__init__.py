"""A Pipedrive on loopback: deals that move and are archived, leads, names, webhooks of version 2.

Written down from the vendor's pages:
- https://developers.pipedrive.com/docs/api/v1/Deals (getDeals and getArchivedDeals of v2),
  Leads (getLeads and getArchivedLeads of v1), Persons, Organizations, Stages, Pipelines, Users
- https://pipedrive.readme.io/docs/core-api-concepts-pagination and core-api-concepts-rate-limiting
- https://pipedrive.readme.io/docs/guide-for-webhooks-v2
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import count
from typing import Any, ClassVar
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Call, Check, No, moment
from connectors.twins.pipedrive import records as made
from connectors.twins.pipedrive.records import CUSTOMERS, Record, iso

_STATUSES = frozenset({"open", "won", "lost", "deleted"})
_STAGES = {1: "Qualified", 2: "Proposal made", 3: "Negotiations started"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_CONTROL = frozenset({"object", "number", "at"})


class Twin(twins.Twin):
    connector: ClassVar[str] = "pipedrive"

    def __init__(self, *, page: int = 500) -> None:
        """Answer with `page` records at most: the vendor's own most is 500."""
        self.page = page
        self.token, self.password = "f00dfeed" * 5, "a-password-of-webhooks"
        self.deals: dict[int, Record] = {}
        self.leads: dict[str, Record] = {}
        self.names = {
            "organizations": {n: {"id": n, "name": name} for n, name in enumerate(CUSTOMERS, 1)},
            "persons": {n: made.person(n, name) for n, name in enumerate(CUSTOMERS, 1)},
        }
        self.left = 150_000  # tokens of this day
        self._age, self._blank = 0, False
        self._numbers, self._deliveries = count(1), count(1)
        super().__init__()

    def table(self) -> tuple[Allowed, ...]:
        paging: Mapping[str, Check] = {"cursor": bool, "limit": _is_limit}
        changed: Mapping[str, Check] = {"updated_since": lambda text: bool(_TIME.fullmatch(text))}
        deals: Mapping[str, Check] = {
            "status": lambda text: set(text.split(",")) <= _STATUSES,
            "sort_by": {"id", "update_time", "add_time"}.__contains__,
            "sort_direction": "asc".__eq__,  # the vendor knows "desc" too
        }
        some: Mapping[str, Check] = {"ids": lambda text: len(text.split(",")) <= 100}
        start: Mapping[str, Check] = {
            "start": str.isdigit,
            "sort": {"update_time ASC", "update_time DESC"}.__contains__,
            "limit": _is_limit,
        }
        deals = {**paging, **changed, **deals}
        return (
            Allowed("GET", "/api/v2/deals", self._list_deals, deals),
            Allowed("GET", "/api/v2/deals/archived", self._list_deals, deals),
            Allowed("GET", "/v1/leads", self._list_leads, {**changed, **start}),
            Allowed("GET", "/v1/leads/archived", self._list_leads, start),
            Allowed("GET", "/v1/users", self._users),
            Allowed("GET", "/api/v2/stages", self._stages, paging),
            Allowed("GET", "/api/v2/pipelines", self._pipelines, paging),
            Allowed("GET", "/api/v2/{what}", self._named, {**paging, **some}, frozenset({"ids"})),
        )

    def settings(self, url: str) -> dict[str, Any]:
        secret = {"signing_secret": self.password, "push_user": "hub"}
        return {"url": url, "token": self.token, "per_minute": 60_000, **secret}

    def refuse(self, request: Request) -> Response | None:
        if request.headers.get("x-api-token") == self.token:
            return None
        no = self.denied()
        return JSONResponse(no.body, no.status)

    def denied(self) -> No:
        words = {"error": "unauthorized access", "errorCode": 401}
        return No(401, {"success": False, **words, "error_info": "Please check developers..."})

    def limited(self, seconds: int) -> No:
        words = {"success": False, "error": "request over limit", "errorCode": 429}
        return No(429, words, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(seconds)})

    def blank(self) -> None:
        self._blank = True

    def forget(self) -> None:
        self._age += 1

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Create a deal (or a lead, with `object`), or change the one of this `number`."""
        at, number = moment(record), int(record.get("number") or next(self._numbers))
        changes = {name: value for name, value in record.items() if name not in _CONTROL}
        if record.get("object") == "lead":
            key = str(UUID(int=number))
            lead = self.leads.setdefault(key, made.lead(key, number, at))
            return _into(lead, changes, update_time=f"{iso(at)[:-1]}.000Z")
        deal = self.deals.setdefault(number, made.deal(number, at))
        if changes.get("stage_id", deal["stage_id"]) != deal["stage_id"]:
            deal["stage_change_time"] = iso(at)
        status = changes.get("status")
        if status in {"won", "lost"}:
            deal |= {f"{status}_time": iso(at), "close_time": iso(at)}
        deal["is_deleted"] = status == "deleted"
        if changes.get("is_archived"):
            deal["archive_time"] = iso(at)
        return _into(deal, changes, update_time=iso(at))

    def create(self, number: int, at: datetime) -> str:
        self.emit({"number": number, "title": f"Deal {number}", "at": at.isoformat()})
        return f"deal/{number}"

    def edit(self, number: int, at: datetime) -> None:
        deal = self.deals[number]
        self.emit({"number": number, "value": deal["value"] + 1, "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        self.emit({"number": number, "status": "deleted", "at": at.isoformat()})

    def push(self, number: int) -> Call:
        deal = self.deals[number]
        is_new = deal["add_time"] == deal["update_time"]
        return self.webhook("create" if is_new else "change", "deal", number, deal)

    def webhook(self, action: str, entity: str, key: int | str, data: Record | None) -> Call:
        meta = {
            "action": action,
            "entity": entity,
            "entity_id": str(key),
            "company_id": 12882925,
            "id": str(UUID(int=next(self._deliveries))),
            "timestamp": f"{iso(self.now())[:-1]}.000Z",
            "version": "2.0",
            "attempt": 1,
            "permitted_user_ids": [1],
        }
        pair = base64.b64encode(f"hub:{self.password}".encode()).decode()
        body = json.dumps({"meta": meta, "data": data, "previous": None}).encode()
        return Call(body, {"content-type": "application/json", "authorization": f"Basic {pair}"})

    async def _list_deals(self, request: Request) -> Response:
        asked, archived = request.query_params, request.url.path.endswith("/archived")
        wanted = set((asked.get("status") or "open,won,lost").split(","))
        by = asked.get("sort_by", "id")
        found = [
            deal
            for deal in self.deals.values()
            if deal["is_archived"] is archived
            and deal["status"] in wanted
            and deal["update_time"] >= _whole(asked.get("updated_since", ""))
        ]
        return self._page(request, found, lambda deal: [deal[by], deal["id"]])

    def _page(
        self, request: Request, found: list[Record], place: Callable[[Record], list[Any]]
    ) -> Response:
        """Answer with the records after a cursor, which is opaque and says where the last one was.

        https://pipedrive.readme.io/docs/core-api-concepts-pagination
        """
        asked = request.query_params
        limit, blank = min(int(asked.get("limit", 100)), self.page), self._blank
        found.sort(key=place)
        if (cursor := asked.get("cursor")) is not None:
            try:
                age, blanks, last = json.loads(base64.b64decode(cursor, validate=True))
            except (ValueError, TypeError):
                return self._error(400, "Invalid cursor")
            if age != self._age:
                return self._error(400, "Invalid cursor")
            found = [one for one in found if last is None or place(one) > last]
        else:
            blanks, last = 0, None
        shown = found[:limit]
        following: str | None = None
        if blank or len(found) > limit:
            self._blank = False
            shown = [] if blank else shown
            where = [self._age, blanks + blank, place(shown[-1]) if shown else last]
            following = base64.b64encode(json.dumps(where).encode()).decode()
        return self._answer(shown, {"next_cursor": following}, 10)

    async def _list_leads(self, request: Request) -> Response:
        asked, archived = request.query_params, request.url.path.endswith("/archived")
        start, limit = int(asked.get("start", 0)), min(int(asked.get("limit", 100)), self.page)
        since = _whole(asked.get("updated_since", ""))[:19]
        found = [
            lead
            for lead in self.leads.values()
            if lead["is_archived"] is archived and lead["update_time"][:19] >= since
        ]
        # Without the order that is asked for they come as they were created.
        by = "update_time" if "sort" in asked else "add_time"
        is_down = asked.get("sort", "").endswith("DESC")
        found.sort(key=lambda lead: (lead[by], lead["id"]), reverse=is_down)
        more = start + limit < len(found)
        paging: Record = {"start": start, "limit": limit, "more_items_in_collection": more}
        if more:
            paging["next_start"] = start + limit
        return self._answer(found[start : start + limit], {"pagination": paging}, 20)

    async def _named(self, request: Request) -> Response:
        known = self.names.get(request.path_params["what"])
        if known is None:
            return self._error(404, "not found")
        ids = [int(one) for one in request.query_params["ids"].split(",")]
        # What is gone or may not be seen is left out.
        return self._answer([known[one] for one in ids if one in known], {"next_cursor": None}, 10)

    async def _stages(self, request: Request) -> Response:
        stages: list[Record] = [{"id": n, "name": name} for n, name in _STAGES.items()]
        return self._page(request, stages, lambda stage: [stage["id"]])

    async def _pipelines(self, request: Request) -> Response:
        return self._page(request, [{"id": 1, "name": "Sales"}], lambda one: [one["id"]])

    async def _users(self, request: Request) -> Response:
        del request
        user = {"id": 1, "name": "Kim Larsen", "email": "kim@ours.example", "active_flag": True}
        return self._answer([user | {"created": "2025-11-13 09:16:26"}], {}, 20)

    def _answer(self, records: list[Record], more: Record, cost: int) -> Response:
        self.left -= cost
        headers = {"x-daily-ratelimit-token-limit": "150000"}
        headers["x-daily-ratelimit-token-remaining"] = str(self.left)
        # A list without records is null in v1: the description does not say so.
        body = {"success": True, "data": records or None, "additional_data": more}
        return JSONResponse(body, headers=headers)

    def _error(self, status: int, words: str) -> Response:
        return JSONResponse({"success": False, "error": words, "errorCode": status}, status)


def _into(record: Record, changes: Record, **more: Any) -> Record:
    record |= changes | more
    return record


def _is_limit(text: str) -> bool:
    return text.isdigit() and 1 <= int(text) <= 500


def _whole(text: str) -> str:
    return text.partition(".")[0].rstrip("Z") + "Z" if text else ""
