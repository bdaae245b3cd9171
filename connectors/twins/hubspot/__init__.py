"""A HubSpot on loopback: deals, companies, leads and owners that change, and the CRM search.

Written down from the pages search-the-crm, pipelines/guide, owners/guide and
associations/associate-records/guide of https://developers.hubspot.com/docs/api-reference/latest/crm
"""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from operator import not_
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Call, Check, Excuse, Fault, moment
from connectors.twins.hubspot.events import pushed
from connectors.twins.hubspot.records import (
    COMPARE,
    CUSTOMERS,
    ENDS,
    Record,
    as_shown,
    as_text,
    comparable,
    holds,
    iso,
    made_up,
    milliseconds,
)

_STAGES = {
    "appointmentscheduled": ("Appointment Scheduled", "0.2", "false"),
    "qualifiedtobuy": ("Qualified To Buy", "0.4", "false"),
    "presentationscheduled": ("Presentation Scheduled", "0.6", "false"),
    "decisionmakerboughtin": ("Decision Maker Bought-In", "0.8", "false"),
    "contractsent": ("Contract Sent", "0.9", "false"),
    "closedwon": ("Closed Won", "1.0", "true"),
    "closedlost": ("Closed Lost", "0.0", "true"),
}
_NO_PROPERTIES = frozenset({"object", "id", "at", "properties", "company", "archived", "title"})
_SEARCH: Mapping[str, Callable[[Any], bool]] = {
    "filterGroups": lambda groups: len(groups) <= 5 and all(map(_is_group, groups)),
    "sorts": lambda sorts: len(sorts) <= 1 and all("propertyName" in sort for sort in sorts),
    "properties": lambda names: all(isinstance(name, str) for name in names),
    "limit": lambda limit: type(limit) is int and 1 <= limit <= 200,
    "after": lambda after: isinstance(after, str) and after.isdigit(),
}
_NOTHING: Record = {"id": ""}
_TITLE = {"deals": "dealname", "leads": "hs_lead_name", "tickets": "subject", "companies": "name"}


class Twin(twins.Twin):
    connector: ClassVar[str] = "hubspot"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.CURSOR_EXPIRED: Excuse(
            "the place in a search is an offset, which HubSpot keeps nothing for",
            "https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm",
        ),
    }

    def __init__(
        self,
        *,
        token: str = "twin-token",  # noqa: S107 - it opens nothing but this twin
        page: int = 200,
        most: int = 10_000,
    ) -> None:
        """Serve `page` records at a time whatever is asked for, and `most` of one search."""
        super().__init__()
        self.token, self.page, self.most = token, page, most
        self.client_secret = "the-secret-of-the-twins-app"  # noqa: S105 - opens only this twin
        self.objects: dict[str, dict[str, Record]] = {kind: {} for kind in (*_TITLE, "owners")}
        self.companies_of: dict[str, list[str]] = {}  # by deal; the last one is the primary one
        self.unindexed: set[str] = set()  # ids that no search finds yet, for its index lags
        self.hidden: set[str] = {""}  # ids that a search counts and leaves out of its pages
        self._numbers, self._clock = count(7200), 0
        self._blank = 0  # results that a search counts at its beginning and does not show
        owner = {"firstName": "Kim", "lastName": "Larsen", "email": "kim.larsen@ours.example"}
        self.emit({"object": "owners", "id": 71, **owner})

    def table(self) -> tuple[Allowed, ...]:
        paging: Mapping[str, Check] = {"limit": str.isdigit, "after": str.isdigit}
        return (
            Allowed("POST", "/crm/v3/objects/{kind}/search", self._search),
            Allowed("POST", "/crm/v3/objects/companies/batch/read", self._companies),
            Allowed("POST", "/crm/v4/associations/deals/companies/batch/read", self._links),
            Allowed("GET", "/crm/v3/pipelines/deals", self._pipelines),
            Allowed("GET", "/crm/v3/owners", self._owners, paging),
        )

    def settings(self, url: str) -> dict[str, Any]:
        # The twin takes any number of requests, so a demo need not wait as long as at HubSpot.
        return {
            "url": url,
            "token": self.token,
            "leads": True,
            "per_minute": 6000,
            "client_secret": self.client_secret,
            "indexed": 0,
        }

    def refuse(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == f"Bearer {self.token}":
            return None
        words = "Authentication credentials not found. This API supports OAuth 2.0 authentication"
        return _error(401, "INVALID_AUTHENTICATION", words)

    async def _search(self, request: Request) -> Response:
        kind, asked = request.path_params["kind"], await _json(request, _SEARCH)
        if asked is None or kind not in _TITLE:
            return _error(400, "VALIDATION_ERROR", "Invalid object type or input JSON")
        offset, limit = int(asked.get("after", "0")), asked.get("limit", 10)
        if offset + limit > self.most:
            return _error(400, "VALIDATION_ERROR", f"Paging ends at {self.most} results")
        groups = [group["filters"] for group in asked.get("filterGroups", ())] or [[]]
        found = [
            record
            for record in self.objects[kind].values()
            if not record["archived"]
            and record["id"] not in self.unindexed
            and any(all(holds(one, record) for one in filters) for filters in groups)
        ]
        # Records that tie come in an order that is of no use to anybody.
        found.sort(key=lambda record: record["id"][::-1])
        for sort in asked.get("sorts", ()):
            by, down = sort["propertyName"], sort.get("direction") == "DESCENDING"
            found.sort(
                key=lambda record: comparable(by, record["properties"].get(by)), reverse=down
            )
        following = offset + min(limit, self.page)
        found = [_NOTHING] * self._blank + found
        page = [one for one in found[offset:following] if one["id"] not in self.hidden]
        shown = [as_shown(one, asked.get("properties", ())) for one in page]
        answer: Record = {"total": len(found), "results": shown}
        if following < len(found):
            answer["paging"] = {"next": {"after": str(following)}}
        return JSONResponse(answer)

    async def _companies(self, request: Request) -> Response:
        keys = {"inputs": _is_batch(100), "properties": bool, "propertiesWithHistory": not_}
        if (asked := await _json(request, keys)) is None:
            return _error(400, "VALIDATION_ERROR", "Invalid input JSON")
        known = (self.objects["companies"].get(one["id"]) for one in asked["inputs"])
        results = [as_shown(one, asked["properties"]) for one in known if one]
        return _batch(results, len(asked["inputs"]) - len(results))

    async def _links(self, request: Request) -> Response:
        if (asked := await _json(request, {"inputs": _is_batch(1000)})) is None:
            return _error(400, "VALIDATION_ERROR", "Invalid input JSON")
        linked = [one["id"] for one in asked["inputs"] if one["id"] in self.companies_of]
        results = [{"from": {"id": deal}, "to": self._linked(deal)} for deal in linked]
        return _batch(results, len(asked["inputs"]) - len(linked))

    def _linked(self, deal: str) -> list[Record]:
        plain = {"category": "HUBSPOT_DEFINED", "typeId": 341, "label": None}
        primary = {"category": "HUBSPOT_DEFINED", "typeId": 5, "label": "Primary"}
        ids = [int(company) for company in self.companies_of[deal]]  # strings everywhere else
        types = [[plain] for _ in ids[1:]] + [[plain, primary]]
        return [
            {"toObjectId": one, "associationTypes": of} for one, of in zip(ids, types, strict=True)
        ]

    async def _pipelines(self, _: Request) -> Response:
        stages = [
            {"id": name, "label": label, "metadata": {"isClosed": closed, "probability": odds}}
            for name, (label, odds, closed) in _STAGES.items()
        ]
        pipeline = {"id": "default", "label": "Sales Pipeline", "archived": False}
        return JSONResponse({"results": [pipeline | {"stages": stages}]})

    async def _owners(self, request: Request) -> Response:
        size = min(int(request.query_params.get("limit", "100")), self.page)
        begin = int(request.query_params.get("after", "0"))
        owners = list(self.objects["owners"].values())
        answer: Record = {"results": owners[begin : begin + size]}
        if begin + size < len(owners):
            answer["paging"] = {"next": {"after": str(begin + size)}}
        return JSONResponse(answer)

    def create(self, number: int, at: datetime) -> str:
        self.emit({"id": number, "at": at.isoformat()})
        return f"deal/{number}"

    def edit(self, number: int, at: datetime) -> None:
        self.emit({"id": number, "dealname": f"Edited at {at}", "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        self.emit({"id": number, "archived": True, "at": at.isoformat()})

    def push(self, number: int) -> Call:
        deal = self.objects["deals"][str(number)]
        return pushed(deal, self.pushed_to, self.client_secret, self.now())

    def blank(self) -> None:
        self._blank = self.page

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Write a record: {"object": "deals" (if not said), "id", "properties", "company"}.

        Properties may stand at the top too; a company is a name or {"name", "domain"}, or null;
        {"archived": true} deletes. `{}` is a deal that has just been won.
        """
        at, kind = moment(record), record.get("object", "deals")
        number = str(record.get("id") or next(self._numbers))
        given = {name: value for name, value in record.items() if name not in _NO_PROPERTIES}
        given |= record.get("properties", {})
        if kind == "owners":
            blank = {"id": number, "type": "PERSON", "userId": int(number), "archived": False}
            written = blank | self.objects[kind].get(number, {}) | given
            self.objects[kind][number] = written
            return written
        title = record.get("title") or (given.pop("name", None) if kind != "companies" else None)
        given |= {_TITLE[kind]: title} if title else {}
        if given.get("dealstage", "closedwon") not in _STAGES:
            raise ValueError(f"there is no stage {given['dealstage']!r}, only {', '.join(_STAGES)}")
        old = self.objects[kind].get(number, {"properties": {}})["properties"]
        customer = record.get("company", None if old else CUSTOMERS[int(number) % 4])
        company = self._company(customer, at) if customer and kind != "companies" else None
        says = old or made_up(kind, (company or {}).get("name") or "Our", given, at)
        says = says | {name: as_text(value) for name, value in given.items()}
        if kind == "deals" and says["dealstage"] != old.get("dealstage"):
            ends = says["dealstage"] in ENDS
            entered = iso(at) if old or ends else says["createdate"]
            says |= {"hs_v2_date_entered_current_stage": entered}
            says |= {"closedate": iso(at)} if ends and "closedate" not in given else {}
        if company and kind == "deals":
            self.companies_of[number] = [company["hs_object_id"]]
        if company and kind == "leads":
            says |= {f"hs_associated_company_{it}": company[it] for it in ("name", "domain")}
        # HubSpot's clock does not run backwards: what is told late is modified now.
        after = milliseconds(old["hs_lastmodifieddate"]) + 1 if old else 0
        self._clock = max(milliseconds(iso(at)), self._clock, after)
        modified = iso(datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=self._clock))
        says |= {"hs_object_id": number, "hs_lastmodifieddate": modified}
        self.objects[kind][number] = {
            "id": number,
            "properties": says,
            "createdAt": says.get("createdate") or says.get("hs_createdate"),
            "updatedAt": modified,
            "archived": bool(record.get("archived")),
            "url": f"https://app.hubspot.example/contacts/1/record/{kind}/{number}",
        }
        return self.objects[kind][number]

    def _company(self, given: str | Mapping[str, Any], at: datetime) -> Record:
        asked = {"name": given} if isinstance(given, str) else dict(given)
        slug = "-".join(re.findall(r"[a-z0-9]+", (asked.get("name") or "").lower()))
        asked.setdefault("domain", f"{slug}.example")
        for company in self.objects["companies"].values():
            if company["properties"]["domain"] == asked["domain"]:
                return dict(company["properties"])
        new = {"object": "companies", "properties": asked, "at": at.isoformat()}
        return dict(self.emit(new)["properties"])


async def _json(request: Request, keys: Mapping[str, Callable[[Any], Any]]) -> Record | None:
    """Read a body that has no other keys than these, each with a value that its check passes."""
    try:
        body: Record = json.loads(await request.body())
        good = body.keys() <= keys.keys() and all(keys[name](body[name]) for name in body)
    except (ValueError, TypeError, LookupError, AttributeError):
        return None
    return body if good else None


def _is_group(group: Any) -> bool:
    rules, keys = group["filters"], {"propertyName", "operator", "value"}
    return len(rules) <= 6 and all(set(one) == keys and one["operator"] in COMPARE for one in rules)


def _is_batch(most: int) -> Callable[[Any], bool]:
    return lambda inputs: 0 < len(inputs) <= most and all(set(one) == {"id"} for one in inputs)


def _batch(results: list[Record], missing: int) -> Response:
    """Answer a batch; with 207 where some of it was not found."""
    error = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "Not found"}
    faults = {"numErrors": missing, "errors": [error] * missing} if missing else {}
    return JSONResponse(
        {"status": "COMPLETE", "results": results, **faults}, 207 if missing else 200
    )


def _error(status: int, category: str, message: str) -> Response:
    body = {"status": "error", "message": message, "category": category}
    return JSONResponse(body | {"correlationId": str(uuid.uuid4())}, status)
