"""An OData service on loopback: opportunities, as Dynamics 365 (version 4) or SAP (2) serve them.

Written down from:
- the protocol: https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part1-protocol.html
- its JSON: https://docs.oasis-open.org/odata/odata-json-format/v4.01/odata-json-format-v4.01.html
- version 2: https://www.odata.org/documentation/odata-version-2-0/uri-conventions/
- SAP's delta tokens: https://help.sap.com/saphelp_nwgwpam_1/helpdata/en/10/2b4855e4f24d249271cc05ef0a03f8/content.htm
- Dynamics 365: https://learn.microsoft.com/en-us/power-apps/developer/data-platform/use-change-tracking-synchronize-data-external-systems
"""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Check, Excuse, Fault, moment

_PATH = "/sap/crm/opportunities"
_CHANGED = re.compile(
    r"(?:\(StatusCode ne 9\) and )?ModifiedOn ge (?:datetimeoffset')?"
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)'?"
)
_STATES = {0: "open", 1: "won", 2: "lost"}

Record = dict[str, Any]

FIELDS: Mapping[str, Any] = {
    "id": "opportunity/{Id}",
    "kind": {
        "path": "$.StatusCode",
        "map": {"0": "sales.deal.created", "1": "sales.deal.won", "2": "sales.deal.lost"},
        "default": "sales.deal.stage",
    },
    "title": "$.Name",
    "occurred_at": "$.CreatedOn",
    "revised_at": "$.ModifiedOn",
    "status": {
        "path": "$.StatusCode",
        "map": {"1": "resolved", "2": "resolved"},
        "default": "open",
    },
    "account": "$.Customer.Name",
    "attributes": {"amount": "$.Value"},
}


class Twin(twins.Twin):
    """Opportunities as they are, and the log of what happened to them."""

    connector: ClassVar[str] = "odata"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.PUSH: Excuse(
            "OData answers requests and pushes nothing",
            "https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part1-protocol.html#sec_RequestingChanges",
        ),
    }

    def __init__(self, version: int = 4, *, delta: bool = True, old: bool = False) -> None:
        """Speak this version; `delta`: track changes; `old`: tell deletions as 4.0, not 4.01."""
        self.version, self.delta, self.old = version, delta, old
        super().__init__()
        self.user, self.password = "hub", "twin-password"
        self.entities: dict[int, Record] = {}
        self.log: list[Record] = []
        self._blank = False
        self._epoch = 0

    def table(self) -> tuple[Allowed, ...]:
        common: dict[str, Check] = {
            "$select": bool,
            "$expand": {"Customer"}.__contains__,
            "$skiptoken": bool,
            "sap-client": str.isdigit,
        }
        if self.version == 2:
            common["$format"] = {"json"}.__contains__
        if self.delta:
            common["!deltatoken" if self.version == 2 else "$deltatoken"] = bool
        else:
            common["$filter"] = lambda text: (
                text == "(StatusCode ne 9)"
                or (
                    _CHANGED.fullmatch(text) is not None
                    and ("datetimeoffset" in text) == (self.version == 2)
                )
            )
            common["$orderby"] = {"ModifiedOn asc,Id asc"}.__contains__
            if self.version == 2:
                common |= {"$top": str.isdigit, "$skip": str.isdigit}
        headers = (
            frozenset({"prefer", "odata-maxversion"}) if self.version == 4 else frozenset[str]()
        )
        return (Allowed("GET", _PATH, self._list, common, headers=headers),)

    def settings(self, url: str) -> dict[str, Any]:
        entities: dict[str, Any] = {
            "name": "opportunities",
            "key": "Id",
            "expand": ["Customer"],
            "fields": FIELDS,
        }
        how = {"delta": True} if self.delta else {"changed": "ModifiedOn"}
        if not self.delta:
            entities["filter"] = "StatusCode ne 9"
        elif self.version == 2:
            entities["deleted"] = "@.ODQ_CHANGEMODE == 'D'"
        return {
            "url": f"{url}/sap/crm",
            "version": self.version,
            "auth": {"user": self.user, "password": self.password},
            "params": {"sap-client": "100"},
            "per_minute": 6000,
            "sets": {"opportunities": entities | how},
        }

    def refuse(self, request: Request) -> Response | None:
        pair = b64encode(f"{self.user}:{self.password}".encode()).decode()
        if request.headers.get("authorization") == f"Basic {pair}":
            return None
        return self._error(401, "Logon failed")

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Open or change an opportunity; `StatusCode` is 0 (open), 1 (won) or 2 (lost)."""
        at = moment(record) if record.get("at") else self.now()
        given = {name: value for name, value in record.items() if name != "at"}
        if given.get("StatusCode", 0) not in _STATES:
            raise ValueError(f"an opportunity's StatusCode is never {given['StatusCode']!r}")
        number = int(given.pop("Id", 0)) or max(self.entities, default=0) + 1
        entity = self.entities.get(number) or {
            "Id": number,
            "Name": f"Opportunity {number}",
            "StatusCode": 0,
            "Value": "1200.00",
            "CreatedOn": at,
            "Customer": {"Name": "Acme Robotics"},
        }
        entity = {**entity, **given, "ModifiedOn": at}
        self.entities[number] = entity
        self.log.append(entity)
        return self._written(entity)

    def create(self, number: int, at: datetime) -> str:
        self.emit({"Id": number, "at": at.isoformat()})
        return f"opportunity/{number}"

    def edit(self, number: int, at: datetime) -> None:
        name = f"{self.entities[number]['Name']}, edited"
        self.emit({"Id": number, "Name": name, "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        del at  # a deletion has no time
        del self.entities[number]
        self.log.append({"removed": number})

    def blank(self) -> None:
        self._blank = True

    def forget(self) -> None:
        self._epoch += 1

    async def _list(self, request: Request) -> Response:
        asked = dict(request.query_params)
        try:
            start, due = self._due(asked)
        except LookupError:
            return self._error(410, "The delta token is no longer valid")
        wanted = re.search(r"maxpagesize=(\d+)", request.headers.get("prefer", ""))
        size = min(self.page, int(wanted[1]) if wanted else self.page)
        end = start + size
        if self._blank:
            self._blank, end = False, start
        top = start + int(asked["$top"]) if "$top" in asked else len(due)
        found, more = due[start : min(end, top)], end < min(top, len(due))
        links: dict[str, str] = {}
        if more:
            links["next"] = self._link(request, {**asked, "$skiptoken": self._token(end)})
        elif self.delta:
            name = "!deltatoken" if self.version == 2 else "$deltatoken"
            links["delta"] = self._link(request, {name: self._token(len(self.log))})
        return JSONResponse(self._body(found, links))

    def _due(self, asked: Mapping[str, str]) -> tuple[int, Sequence[Record]]:
        """List what is asked for, and where in it this page begins."""
        start = self._read(asked["$skiptoken"]) if "$skiptoken" in asked else 0
        start += int(asked.get("$skip", 0))
        if token := asked.get("!deltatoken") or asked.get("$deltatoken"):
            return start, self.log[self._read(token) :]
        found = sorted(self.entities.values(), key=lambda one: (one["ModifiedOn"], one["Id"]))
        if since := _CHANGED.fullmatch(asked.get("$filter", "")):
            bound = datetime.fromisoformat(since[1])
            found = [one for one in found if one["ModifiedOn"] >= bound]
        return start, found

    def _body(self, found: Sequence[Record], links: Mapping[str, str]) -> Any:
        records = [self._written(one) for one in found]
        if self.version == 2:
            return {"d": {"results": records} | {f"__{name}": link for name, link in links.items()}}
        head = {"@odata.context": "$metadata#opportunities"}
        return (
            head | {"value": records} | {f"@odata.{name}Link": link for name, link in links.items()}
        )

    def _written(self, entity: Record) -> Record:
        if (number := entity.get("removed")) is not None:
            if self.version == 2:  # SAP's JSON has no tombstones: a service may write its own
                return {"Id": number, "ODQ_CHANGEMODE": "D"}
            if self.old:
                context = "$metadata#opportunities/$deletedEntity"
                return {
                    "@odata.context": context,
                    "id": f"opportunities({number})",
                    "reason": "deleted",
                }
            return {"@removed": {"reason": "deleted"}, "Id": number}
        times = {name: self._time(entity[name]) for name in ("CreatedOn", "ModifiedOn")}
        return {**entity, **times}

    def _time(self, at: datetime) -> str:
        if self.version == 2:
            return f"/Date({int(at.timestamp())}000)/"
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _token(self, place: int) -> str:
        return f"D{self._epoch}_{place}"

    def _read(self, token: str) -> int:
        epoch, _, place = token.strip("'").removeprefix("D").partition("_")
        if epoch != str(self._epoch):
            raise LookupError("a token of another epoch")
        return int(place)

    def _link(self, request: Request, params: Mapping[str, str]) -> str:
        path = _PATH.removeprefix("/")
        return f"{request.base_url}{path}?{urlencode(params)}"

    def _error(self, status: int, said: str) -> Response:
        message: Any = {"lang": "en", "value": said} if self.version == 2 else said
        return JSONResponse({"error": {"code": "CX_CRM/001", "message": message}}, status)
