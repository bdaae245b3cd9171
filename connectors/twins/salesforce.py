"""A Salesforce organisation on loopback: records that change, SOQL, query locators, OAuth2.

Written down from the vendor's pages:
- https://developer.salesforce.com/docs/platform/api-rest/guide/resources-queryall.md and
  resources-queryall-more-results.md
- https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
- https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_client_credentials_flow.htm
  and remoteaccess_oauth_refresh_token_flow.htm
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any, ClassVar, TypeAlias
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Excuse, Fault, No, moment

Record: TypeAlias = dict[str, Any]

VERSION = "v62.0"
_PREFIX = {"Opportunity": "006", "Lead": "00Q", "Case": "500", "User": "005"}
_QUERY = re.compile(
    r"SELECT (?P<fields>[A-Za-z0-9_., ]+) FROM (?P<object>\w+)"
    r"(?: WHERE SystemModstamp >= (?P<since>\S+))?"
    r" ORDER BY SystemModstamp ASC, Id ASC"
)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
_STAGES = ("Prospecting", "Qualification", "Proposal/Price Quote", "Negotiation/Review")
_ENDS = {"Closed Won": True, "Closed Lost": False}
_MADE_UP = ("Acme Robotics", "Borealis Foods", "Cobalt Insurance", "Delta Shipping")


class Twin(twins.Twin):
    connector: ClassVar[str] = "salesforce"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.PUSH: Excuse(
            "changes are pushed over gRPC, not by requests to an address of ours",
            "https://developer.salesforce.com/docs/platform/pub-sub-api/overview",
        ),
    }

    def __init__(self, *, page: int = 2000) -> None:
        """Answer with `page` records at most: the vendor's own most is 2,000."""
        self.page = page
        self.client, self.secret = "3MVG9consumer.key", "0123456789ABCDEF"
        self.refresh = "5Aep861first.refresh.token"
        self.objects: dict[str, dict[str, Record]] = {name: {} for name in _PREFIX}
        self.tokens: set[str] = set()
        self.used, self.allowed = 900, 15_000  # requests of the organisation in 24 hours
        self.locators: dict[str, tuple[list[str], list[Record]]] = {}
        self._numbers, self._locators, self._grants = count(1), count(1), count(1)
        self._blank = False
        super().__init__()

    def table(self) -> tuple[Allowed, ...]:
        data = f"/services/data/{VERSION}"
        return (
            Allowed("POST", "/services/oauth2/token", self._token),
            Allowed("GET", f"{data}/queryAll", self._query, {"q": bool}, frozenset({"q"})),
            # nextRecordsUrl says "query" also for the rest of queryAll.
            Allowed("GET", f"{data}/query/{{locator}}", self._more),
        )

    def settings(self, url: str) -> dict[str, Any]:
        return {"url": url, "client_id": self.client, "client_secret": self.secret}

    def refuse(self, request: Request) -> Response | None:
        if request.url.path.startswith("/services/oauth2/"):
            return None
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return _error(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if self.used >= self.allowed:
            return _error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        return None

    def denied(self) -> No:
        words = "Session expired or invalid"
        return No(401, [{"message": words, "errorCode": "INVALID_SESSION_ID"}])

    def series(self, path: str, query: str, body: bytes) -> str:
        del body
        if "q" in (asked := parse_qs(query)):
            read = _QUERY.fullmatch(asked["q"][0])
            return read["object"] if read else path
        rows = self.locators.get(path.rpartition("/")[2].partition("-")[0], ([], []))[1]
        return rows[0]["attributes"]["type"] if rows else path

    def blank(self) -> None:
        self._blank = True

    def forget(self) -> None:
        self.locators.clear()

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Create a record of `object` (Opportunity), or change the one with this Id.

        `system`: as Salesforce changes it itself, by which LastModifiedDate does not move.
        """
        at = moment(record).astimezone(UTC)
        name = str(record.get("object", "Opportunity"))
        number = int(record.get("number") or next(self._numbers))
        key = str(record.get("Id") or f"{_PREFIX[name]}{number:012d}AAA")
        known = self.objects[name]
        is_new = key not in known
        made = known.setdefault(key, _new(name, number, key, at) if is_new else {})
        before = made.get("StageName")
        control = {"object", "number", "at", "system"}
        made |= {field: value for field, value in record.items() if field not in control}
        made["SystemModstamp"] = _time(at)
        if not record.get("system"):
            made["LastModifiedDate"] = _time(at)
        if name == "Opportunity" and made["StageName"] != before and not is_new:
            made["LastStageChangeDate"] = _time(at)
        if name == "Opportunity":
            made |= {"IsClosed": made["StageName"] in _ENDS, "IsWon": _ENDS.get(made["StageName"])}
            made["IsWon"] = bool(made["IsWon"])
        return made

    def create(self, number: int, at: datetime) -> str:
        made = self.emit({"number": number, "Name": f"Deal {number}", "at": at.isoformat()})
        return f"opportunity/{made['Id']}"

    def edit(self, number: int, at: datetime) -> None:
        deal = self.objects["Opportunity"][f"006{number:012d}AAA"]
        self.emit({"Id": deal["Id"], "Amount": deal["Amount"] + 1, "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        gone = {"IsDeleted": True, "at": at.isoformat()}
        self.emit({"Id": f"006{number:012d}AAA", **gone})

    async def _token(self, request: Request) -> Response:
        form = {name: one[0] for name, one in parse_qs((await request.body()).decode()).items()}
        if (form.get("client_id"), form.get("client_secret")) != (self.client, self.secret):
            return _refused("invalid_client", "invalid client credentials")
        match form.get("grant_type"):
            case "client_credentials":
                pass
            case "refresh_token":
                if form.get("refresh_token") != self.refresh:
                    return _refused("invalid_grant", "expired access/refresh token")
            case _:
                return _refused("unsupported_grant_type", "grant type not supported")
        token = f"00Dxx!session.{next(self._grants)}"
        self.tokens.add(token)
        # It does not say for how long: that is the organisation's own setting.
        home = str(request.base_url).rstrip("/")
        body = {"access_token": token, "instance_url": home, "token_type": "Bearer"}
        return JSONResponse({**body, "scope": "api", "issued_at": "1777620337000"})

    async def _query(self, request: Request) -> Response:
        asked = request.query_params["q"]
        read = _QUERY.fullmatch(asked)
        if read is None or read["object"] not in self.objects:
            return _error(400, "MALFORMED_QUERY", f"unexpected token in {asked}")
        since = read["since"]
        if since is not None and not _TIME.fullmatch(since):
            return _error(400, "INVALID_FIELD", f"SystemModstamp may not be {since}")
        fields = read["fields"].split(", ")
        known = self.objects[read["object"]]
        real = set(_new(read["object"], 0, "", self.now())) | {
            field for one in known.values() for field in one
        }
        if unknown := [one for one in fields if one.partition(".")[0] not in real]:
            return _error(400, "INVALID_FIELD", f"No such column '{unknown[0]}' on entity")
        begin = datetime.fromisoformat(since) if since else datetime.min.replace(tzinfo=UTC)
        rows = [one for one in known.values() if _read(one["SystemModstamp"]) >= begin]
        rows.sort(key=lambda one: (one["SystemModstamp"], one["Id"]))
        return self._answer(fields, rows, 0)

    async def _more(self, request: Request) -> Response:
        name, _, offset = request.path_params["locator"].partition("-")
        if name not in self.locators or not offset.isdigit():
            return _error(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        fields, rows = self.locators[name]
        return self._answer(fields, rows, int(offset), name)

    def _answer(
        self, fields: list[str], rows: list[Record], offset: int, locator: str = ""
    ) -> Response:
        blank, self._blank = self._blank, False
        following = offset if blank else offset + self.page
        shown = [] if blank else rows[offset:following]
        body: Record = {"totalSize": len(rows), "done": not blank and following >= len(rows)}
        body["records"] = [_shown(one, fields) for one in shown]
        if not body["done"]:
            locator = locator or f"0r8xx{next(self._locators):010d}"
            self.locators[locator] = fields, rows
            # An empty page comes again with the same place: it must be another to be followed.
            tail = f"{following:06d}" if blank else str(following)
            body["nextRecordsUrl"] = f"/services/data/{VERSION}/query/{locator}-{tail}"
        self.used += 1
        limit = {"sforce-limit-info": f"api-usage={self.used}/{self.allowed}"}
        return JSONResponse(body, headers=limit)


def _new(name: str, number: int, key: str, at: datetime) -> Record:
    """Make up a record with every field that its object has here."""
    company = _MADE_UP[number % len(_MADE_UP)]
    site = f"https://www.{company.lower().replace(' ', '-')}.example/"
    record: Record = {
        "attributes": {"type": name, "url": f"/services/data/{VERSION}/sobjects/{name}/{key}"},
        "Id": key,
        "CreatedDate": _time(at),
        "LastModifiedDate": _time(at),
        "SystemModstamp": _time(at),
    }
    if name == "User":
        user = {"Name": "Kim Larsen", "Email": "kim.larsen@acme.example", "IsActive": True}
        return record | user | {"Title": "Account Executive", "Department": "Sales"}
    record |= {"IsDeleted": False, "Owner": {"Name": "Kim Larsen", "Email": "kim@acme.example"}}
    account = {"Account": {"Name": company, "Website": site}}
    match name:
        case "Opportunity":
            ends: Record = {"StageName": _STAGES[0], "IsClosed": False, "IsWon": False}
            money = {"Amount": 1000.0 * (number + 1), "CloseDate": f"{at:%Y-%m-%d}"}
            told: Record = {"Type": "New Customer", "LeadSource": "Web"}
            told["LastStageChangeDate"] = None
            return record | ends | money | told | account | {"Name": f"{company} {number}"}
        case "Lead":
            who = {"Name": "Robin Weber", "Email": "robin@lead.example", "Title": "CTO"}
            what = {"Company": company, "Website": site, "Status": "Open - Not Contacted"}
            told = {"LeadSource": "Web", "Rating": "Warm", "IsConverted": False}
            return record | who | what | told
        case _:
            what = {"CaseNumber": f"{number:08d}", "Subject": "The export is empty"}
            told = {"Description": "Since this morning.", "Status": "New", "Priority": "Medium"}
            more = {"Origin": "Email", "Type": "Problem", "Reason": None, "IsClosed": False}
            ends = {"ClosedDate": None, "IsEscalated": False}
            whose = {"Contact": {"Name": "Robin Weber", "Email": "robin@acme.example"}}
            supplied = {"SuppliedName": None, "SuppliedEmail": None}
            return record | what | told | more | ends | account | whose | supplied


def _shown(record: Record, fields: list[str]) -> Record:
    """Show the fields that were asked for; of another record those after the dot."""
    shown: Record = {"attributes": record["attributes"]}
    for field in fields:
        name, _, inner = field.partition(".")
        if not inner:
            shown[name] = record.get(name)
        elif record.get(name) is None:
            shown[name] = None
        else:
            shown.setdefault(name, {"attributes": {"type": name}})[inner] = record[name].get(inner)
    return shown


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse([{"message": message, "errorCode": code}], status)


def _refused(error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, 400)


def _time(at: datetime) -> str:
    """Write a time as Salesforce does: in whole seconds, the zone without a colon."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _read(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.000%z")
