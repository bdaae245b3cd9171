"""Salesforce: opportunities, leads and cases as they change."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from zlib import crc32

from pydantic import AwareDatetime, Field

from hub.connector import (
    AccountRef,
    Api,
    Batch,
    ClientCredentials,
    Connector,
    Cursor,
    Draft,
    Endpoint,
    Http,
    Json,
    ModifiedSince,
    Page,
    PersonRef,
    RefreshToken,
    SecretStr,
    Severity,
    SourceMisbehaved,
    Status,
    streams,
    utc,
)

_CREATED, _STAGE, _WON, _LOST = (f"sales.deal.{it}" for it in ("created", "stage", "won", "lost"))
_OPENED, _UPDATED, _SOLVED = (f"support.ticket.{it}" for it in ("opened", "updated", "solved"))
_ESCALATED, _LEAD = "support.escalation", "sales.lead.created"
_JOINED, _LEFT = "people.hire", "people.departure"
_TITLES = {_CREATED: "Deal opened", _WON: "Deal won", _LOST: "Deal lost"}
_SEVERITY = {"High": Severity.HIGH, "Medium": Severity.MEDIUM, "Low": Severity.LOW}
_ALWAYS = ("Id", "IsDeleted", "CreatedDate", "LastModifiedDate", "SystemModstamp")
_OWNED = ("Owner.Name", "Owner.Email")
_FIELDS = {
    "Opportunity": (*_ALWAYS, *_OWNED, "Name", "StageName", "IsClosed", "IsWon", "Amount", "Type",
                    "CloseDate", "LastStageChangeDate", "LeadSource", "Account.Name",
                    "Account.Website"),
    "Lead": (*_ALWAYS, *_OWNED, "Name", "Company", "Email", "Website", "Status", "LeadSource",
             "Rating", "Title", "IsConverted"),
    "Case": (*_ALWAYS, *_OWNED, "CaseNumber", "Subject", "Description", "Status", "Priority",
             "Origin", "Type", "Reason", "IsClosed", "ClosedDate", "IsEscalated", "Account.Name",
             "Account.Website", "Contact.Name", "Contact.Email", "SuppliedName", "SuppliedEmail"),
    # A user is deactivated, never deleted.
    "User": ("Id", "CreatedDate", "LastModifiedDate", "SystemModstamp", "Name", "Email", "Title",
             "Department", "IsActive"),
}  # fmt: skip

Object: TypeAlias = Literal["Opportunity", "Lead", "Case", "User"]
FieldName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


class Salesforce(Connector):
    """Opportunities, leads and cases of one organisation, and its users if they are asked for.

    One signal per record (`opportunity/<id>`, `lead/<id>`, `case/<id>`, `user/<id>`) whose kind
    moves with it. What goes to the recycle bin is seen as deleted. A change of a formula, or of a
    record beside this one, moves no time stamp and is seen with the next change.

    Attributes of a deal: amount, currency, stage, reason, competitor, type, source; of a lead:
    status, source, rating, title, converted; of a case: number, priority, type, channel, reason;
    of a user: title, department.
    """

    kinds: ClassVar[frozenset[str]] = frozenset(
        {_CREATED, _STAGE, _WON, _LOST, _LEAD, _OPENED, _UPDATED, _SOLVED, _ESCALATED, _JOINED}
        | {_LEFT}
    )
    sign_in: ClassVar[str] = (
        "OAuth2 by a connected app: client credentials with a user to run as, or a refresh token"
    )
    scopes: ClassVar[tuple[str, ...]] = ("api", "refresh_token (only with a refresh token)")
    limits: ClassVar[str] = (
        "the organisation's requests in 24 hours; one for each kind of record and poll"
    )

    url: str
    """The organisation's own address, My Domain: https://acme.my.salesforce.com"""
    client_id: str
    """The consumer key of the connected app."""
    client_secret: SecretStr
    refresh_token: SecretStr | None = None
    """Of a user who agreed; None signs in by client credentials."""
    objects: tuple[Object, ...] = ("Opportunity", "Lead", "Case")
    since: AwareDatetime | None = None
    """Where the first sync begins; None reads all that there is."""
    reason_field: FieldName | None = None
    """The opportunity's field that says why it was won or lost: Loss_Reason__c."""
    competitor_field: FieldName | None = None
    """The opportunity's field that names who you were up against."""
    currency: str | None = None
    """The currency of amounts, in an organisation that has only one."""
    api_version: Annotated[str, Field(pattern=r"^v\d+\.0$")] = "v62.0"

    def endpoint(self) -> Endpoint:
        # https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_client_credentials_flow.htm
        token_url = f"{self.url.rstrip('/')}/services/oauth2/token"
        who = (token_url, self.client_id)
        if self.refresh_token is None:
            auth = ClientCredentials(*who, self.client_secret, client_in_body=True)
            return Http(self.url, auth)
        first = self.refresh_token
        return Http(self.url, RefreshToken(*who, first, self.client_secret, client_in_body=True))

    def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        names = map(str, self.objects)
        return streams(cursor, {name: partial(self._list, api, name) for name in names})

    def _list(self, api: Api, name: str, cursor: Cursor) -> AsyncIterator[Page]:
        async def ask(since: datetime | None, place: Json) -> Batch:
            if place is None:
                path = f"/services/data/{self.api_version}/queryAll"
                body = await api.get(path, q=self._query(name, since))
            else:
                # The locator of the rest: it is kept for two days, and goes on with deleted ones.
                # https://developer.salesforce.com/docs/platform/api-rest/guide/resources-queryall-more-results.md
                body = await api.get(str(place))
            if not isinstance(body, Mapping) or not isinstance(body.get("records"), list):
                raise SourceMisbehaved("Salesforce's answer has no list of records")
            return Batch(body["records"], body.get("nextRecordsUrl"))

        reads: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "Opportunity": self._deal,
            "Lead": _lead,
            "Case": _case,
            "User": _user,
        }

        def read(record: Mapping[str, Any]) -> Draft:
            return _draft(name, record, reads[name])

        # A transaction is stamped before it is seen: a long one comes in behind newer records.
        return ModifiedSince(timedelta(minutes=5)).pages(
            cursor, ask, _changed, read=read, since=self.since
        )

    def _query(self, name: str, since: datetime | None) -> str:
        own = (self.reason_field, self.competitor_field) if name == "Opportunity" else ()
        fields = ", ".join((*_FIELDS[name], *filter(None, own)))
        # Not LastModifiedDate, which what Salesforce itself changes does not move:
        # https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/system_fields.htm
        where = f" WHERE SystemModstamp >= {_literal(since)}" if since else ""
        return f"SELECT {fields} FROM {name}{where} ORDER BY SystemModstamp ASC, Id ASC"  # noqa: S608 - no SQL

    def _deal(self, record: Mapping[str, Any]) -> dict[str, Any]:
        created, changed, stage = utc(record["CreatedDate"]), _changed(record), record["StageName"]
        moved = utc(at) if (at := record.get("LastStageChangeDate")) else None
        kind = _STAGE if moved else _CREATED
        if record["IsClosed"]:
            kind = _WON if record["IsWon"] else _LOST
        reason = record.get(self.reason_field or "")
        competitor = record.get(self.competitor_field or "")
        title = _TITLES.get(kind, f"Deal moved to {stage}")
        return {
            "kind": kind,
            "occurred_at": created if kind == _CREATED else moved or changed,
            "title": f"{title}: {record['Name']}",
            "summary": str(reason or "") if record["IsClosed"] else "",
            "account": _account(record.get("Account")),
            "attributes": _known(
                amount=record.get("Amount"),
                currency=self.currency,
                stage=stage,
                reason=reason,
                competitor=competitor,
                type=record.get("Type"),
                channel=record.get("LeadSource"),
            ),
        }


def _draft(
    name: str, record: Mapping[str, Any], read: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> Draft:
    about: dict[str, Any] = {"external_id": f"{name.lower()}/{record['Id']}"}
    if record.get("IsDeleted"):
        kind = {"Opportunity": _STAGE, "Lead": _LEAD}.get(name, _UPDATED)
        at, title = _changed(record), f"{name} was deleted"
        about |= {"kind": kind, "occurred_at": at, "title": title, "status": Status.DELETED}
    else:
        about |= {"owner": _person(record.get("Owner")), **read(record)}
    draft = Draft(**about, revision="-", revised_at=_changed(record))
    # Stamps are in whole seconds, and move also where nothing changed that is read here. The new
    # name of a customer or an owner, which moves none, is a revision too: it is what people read.
    digest = crc32(draft.model_dump_json(exclude={"revised_at"}).encode())
    stamp = utc(record["LastModifiedDate"])
    return draft.model_copy(update={"revision": f"{stamp:%Y-%m-%dT%H:%M:%SZ}-{digest:08x}"})


def _lead(record: Mapping[str, Any]) -> dict[str, Any]:
    names = {"state": "Status", "channel": "LeadSource", "rating": "Rating", "title": "Title"}
    facts = {fact: record.get(name) for fact, name in names.items()}
    who = {"Name": record["Name"], "Email": record.get("Email")}
    company = {"Name": record.get("Company"), "Website": record.get("Website")}
    return {
        "kind": _LEAD,
        "occurred_at": utc(record["CreatedDate"]),
        "title": f"New lead: {record['Name']}",
        "account": _account(company),
        "author": _person(who),
        "attributes": _known(**facts, converted=record["IsConverted"] or None),
    }


def _case(record: Mapping[str, Any]) -> dict[str, Any]:
    kind = _SOLVED if record["IsClosed"] else _UPDATED
    if not record["IsClosed"]:
        untouched = record["LastModifiedDate"] == record["CreatedDate"]
        kind = _ESCALATED if record["IsEscalated"] else _OPENED if untouched else _UPDATED
    number, changed = record["CaseNumber"], _changed(record)
    closed = utc(at) if (at := record.get("ClosedDate")) else changed
    supplied = {"Name": record.get("SuppliedName"), "Email": record.get("SuppliedEmail")}
    severity = _SEVERITY.get(record.get("Priority") or "")
    if kind == _ESCALATED:
        severity = Severity.HIGH
    return {
        "kind": kind,
        "occurred_at": {_OPENED: utc(record["CreatedDate"]), _SOLVED: closed}.get(kind, changed),
        "title": record.get("Subject") or f"Case {number}",
        "body": record.get("Description"),
        "severity": None if kind == _SOLVED else severity,
        "status": Status.RESOLVED if kind == _SOLVED else Status.OPEN,
        "account": _account(record.get("Account")),
        "author": _person(record.get("Contact")) or _person(supplied),
        "attributes": _known(
            number=number,
            priority=record.get("Priority"),
            type=record.get("Type"),
            channel=record.get("Origin"),
            reason=record.get("Reason"),
        ),
    }


def _user(record: Mapping[str, Any]) -> dict[str, Any]:
    is_here = record["IsActive"]
    return {
        "kind": _JOINED if is_here else _LEFT,
        "occurred_at": utc(record["CreatedDate"]) if is_here else _changed(record),
        "title": f"{record['Name']} {'has' if is_here else 'no longer has'} a Salesforce user",
        "owner": _person(record),
        "attributes": _known(title=record.get("Title"), department=record.get("Department")),
    }


def _changed(record: Mapping[str, Any]) -> datetime:
    return utc(record["SystemModstamp"])  # 2026-05-01T07:25:37.000+0000: a zone without a colon


def _literal(at: datetime) -> str:
    """Write a time as SOQL does, without quotes, in UTC."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _account(about: Mapping[str, Any] | None) -> AccountRef | None:
    if not about or not (name := about.get("Name")):
        return None
    site = (about.get("Website") or "").lower().partition("://")
    host = (site[2] or site[0]).partition("/")[0].removeprefix("www.")
    return AccountRef(name=name[:300], domain=host if "." in host else None)


def _person(about: Mapping[str, Any] | None) -> PersonRef | None:
    if not about or not (name := about.get("Name") or about.get("Email")):
        return None
    return PersonRef(name=name[:300], email=about.get("Email"))


def _known(**facts: Any) -> dict[str, Any]:
    return {name: fact for name, fact in facts.items() if fact not in (None, "")}
