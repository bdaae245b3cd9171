"""HubSpot: deals as they move, and leads as they come in."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import AwareDatetime, Field

from connectors.hubspot.events import checked, deletions, delivery
from connectors.hubspot.search import (
    CHANGES,
    at,
    modified_at,
    onward,
    parts,
    read_list,
    since,
    stamp_of,
)
from hub.connector import (
    Accepted,
    AccountRef,
    Api,
    Batch,
    Bearer,
    Connector,
    Cursor,
    Draft,
    Duration,
    Endpoint,
    Http,
    Json,
    Page,
    PersonRef,
    Pushed,
    SecretStr,
    SourceMisbehaved,
    Status,
    streams,
    utc,
)

_CREATED, _STAGE, _WON, _LOST = (f"sales.deal.{it}" for it in ("created", "stage", "won", "lost"))
_TITLES = {_CREATED: "Deal opened", _WON: "Deal won", _LOST: "Deal lost"}
_PROPERTIES = {
    "deals": ("dealname", "dealstage", "pipeline", "amount", "deal_currency_code", "closedate",
              "createdate", "closed_lost_reason", "closed_won_reason", "dealtype",
              "hs_analytics_source", "hs_v2_date_entered_current_stage", "hubspot_owner_id",
              "hs_lastmodifieddate"),
    "leads": ("hs_lead_name", "hs_lead_type", "hs_lead_label", "hs_lead_source", "hs_createdate",
              "hs_associated_company_name", "hs_associated_company_domain",
              "hs_associated_contact_email", "hs_associated_contact_firstname",
              "hs_associated_contact_lastname", "hubspot_owner_id", "hs_lastmodifieddate"),
}  # fmt: skip


class HubSpot(Connector):
    """Deals, and leads if they are switched on, of one HubSpot account.

    One signal per deal (`deal/<id>`) whose kind moves with its stage, and one per lead
    (`lead/<id>`). The token is of a private app that may read deals, companies, owners and leads.
    That a deal is deleted is told by its webhook alone: searches leave it out, and the bin knows no
    "since".

    Attributes of a deal: amount, currency, stage and pipeline (as people name them), reason (why
    it was won or lost), competitor, type, source; of a lead: label, type, source.
    """

    kinds: ClassVar[frozenset[str]] = frozenset(
        {_CREATED, _STAGE, _WON, _LOST, "sales.lead.created"}
    )
    sign_in: ClassVar[str] = "The access token of a private app (Settings > Integrations)."
    scopes: ClassVar[tuple[str, ...]] = (
        "crm.objects.deals.read",
        "crm.objects.companies.read",
        "crm.objects.owners.read",
        "crm.objects.leads.read (with `leads`)",
    )
    limits: ClassVar[str] = (
        "Five searches a second of a whole account, 10,000 results of one search: the hub begins "
        "a new one before. Searches do not show that a deal was deleted."
    )
    freshness: ClassVar[str] = "A search shows a change some seconds after it was made."

    token: SecretStr
    url: str = "https://api.hubapi.com"
    since: AwareDatetime | None = None
    """Where the first sync begins; None reads every deal there is."""
    leads: bool = False
    """Leads come with Sales Hub Professional: elsewhere HubSpot refuses to list them."""
    currency: str | None = None
    """The currency of deals that name none, as in an account that has only one."""
    competitor_property: str = "competitor"
    """The deal property that names who we were up against, if the account has one."""
    client_secret: SecretStr | None = None
    """Of the app whose webhooks (deal.creation, .propertyChange, .deletion) are sent here."""
    indexed: Duration = timedelta(seconds=10)
    """How long after a webhook a search finds what changed; else the next poll does."""
    per_minute: Annotated[int, Field(gt=0)] = 300
    """HubSpot allows five searches a second, and of other requests twice as many."""

    def endpoint(self) -> Endpoint:
        # https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
        return Http(self.url, Bearer(self.token), self.per_minute)

    def verify(self, request: Pushed) -> Accepted:
        checked(request, self.client_secret)
        return Accepted(delivery(request.json()), self.indexed)

    def read(self, event: Pushed) -> Sequence[Draft]:
        """Read deletions; of all else an event says one property, and the poll it asks for all."""
        return [
            Draft(
                kind=_STAGE,
                external_id=f"deal/{one['objectId']}",
                revision=f"deleted-{one['occurredAt']}",
                revised_at=utc(one["occurredAt"] / 1000),
                occurred_at=utc(one["occurredAt"] / 1000),
                title="The deal was deleted",
                status=Status.DELETED,
            )
            for one in deletions(event.json())
        ]

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        # Stages and owners are read at each pull and never kept: two small answers, and a stage
        # that is renamed or an owner who is new is known at once.
        reader = _Reader(self, await _stages(api), await _owners(api))
        lists = ("deals", "leads") if self.leads else ("deals",)
        pulls = {name: partial(self._changes, api, reader, name) for name in lists}
        async for page in streams(parts(cursor), pulls):
            yield page

    def _changes(
        self, api: Api, reader: "_Reader", name: str, cursor: Cursor
    ) -> AsyncIterator[Page]:
        asked = (*_PROPERTIES[name], self.competitor_property)

        async def found(search: dict[str, Any]) -> tuple[list[Any], str | None]:
            answer = read_list(await api.post(f"/crm/v3/objects/{name}/search", search))
            if name == "deals":
                reader.companies = await _companies(api, answer[0])
            return answer

        async def ask(modified: datetime | None, place: Json) -> Batch:
            return Batch(*await found(since(modified, place, asked)))

        async def ask_at(modified: datetime, after: Json) -> Batch:
            records, following = await found(at(modified, after, asked))
            return Batch(records, onward(records, following, after))

        read = {"deals": reader.deal, "leads": reader.lead}[name]
        return CHANGES.pages(cursor, ask, modified_at, read=read, since=self.since, at=ask_at)


_Stages: TypeAlias = dict[str | None, tuple[str, str, str | None]]
"""By id: what a stage and its pipeline are called, and the kind of a deal that ends there."""


async def _stages(api: Api) -> _Stages:
    # https://developers.hubspot.com/docs/api-reference/latest/crm/pipelines/guide
    stages: _Stages = {}
    for pipeline in read_list(await api.get("/crm/v3/pipelines/deals"))[0]:
        for stage in pipeline.get("stages") or ():
            about = stage.get("metadata") or {}
            ends = {"1.0": _WON, "0.0": _LOST} if about.get("isClosed") != "false" else {}
            outcome = ends.get(str(about.get("probability")))
            stages[stage["id"]] = (stage["label"], pipeline["label"], outcome)
    return stages


async def _owners(api: Api) -> dict[str, PersonRef | None]:
    # https://developers.hubspot.com/docs/api-reference/latest/crm/owners/guide
    owners: dict[str, PersonRef | None] = {}
    after: str | None = ""
    while after is not None:
        found, following = read_list(
            await api.get("/crm/v3/owners", limit=500, after=after or None)
        )
        for one in found:
            owners[str(one.get("id"))] = _person(*map(one.get, ("firstName", "lastName", "email")))
        if following == after:
            raise SourceMisbehaved("HubSpot's list of owners does not end")
        after = following
    return owners


async def _companies(api: Api, deals: Sequence[Any]) -> dict[str, Mapping[str, Any]]:
    """Find the company of each deal: the primary one, where it has several.

    https://developers.hubspot.com/docs/api-reference/latest/crm/associations/associate-records/guide
    """
    company_of: dict[str, str] = {}
    if ids := [{"id": stamp[1]} for deal in deals if (stamp := stamp_of(deal))]:
        path = "/crm/v4/associations/deals/companies/batch/read"
        for link in read_list(await api.post(path, {"inputs": ids}))[0]:
            with suppress(LookupError, TypeError):  # of an odd link, the deal has no company
                # A deal without one is missing here; of several the first need not be primary.
                if to := max(link["to"], key=_is_primary, default=None):
                    company_of[str(link["from"]["id"])] = str(to["toObjectId"])
    if not company_of:
        return {}
    ids = [{"id": company} for company in sorted({*company_of.values()})]
    asked = {"inputs": ids, "properties": ["name", "domain"], "propertiesWithHistory": []}
    found, _ = read_list(await api.post("/crm/v3/objects/companies/batch/read", asked))
    about = {str(one.get("id")): one.get("properties") or {} for one in found}
    return {deal: about.get(company, {}) for deal, company in company_of.items()}


def _is_primary(to: Mapping[str, Any]) -> bool:
    return any(one["typeId"] == 5 for one in to["associationTypes"])


@dataclass(slots=True)
class _Reader:
    """What there is to know besides the records, and how to read one with it."""

    settings: HubSpot
    stages: _Stages
    owners: Mapping[str, PersonRef | None]
    companies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def deal(self, record: Mapping[str, Any]) -> Draft:
        says, common = record["properties"], self._common(record, "deal")
        unlisted = (says.get("dealstage"), says.get("pipeline"), None)
        stage, pipeline, outcome = self.stages.get(says.get("dealstage"), unlisted)
        modified, created = common["revised_at"], common.pop("occurred_at")
        entered = utc(at) if (at := says.get("hs_v2_date_entered_current_stage")) else created
        kind = outcome or (_STAGE if entered - created > timedelta(minutes=1) else _CREATED)
        # A close date may lie ahead: sellers enter when they expect the money.
        closed = min(utc(at), modified) if (at := says.get("closedate")) else modified
        reason = {_WON: says.get("closed_won_reason"), _LOST: says.get("closed_lost_reason")}
        company = self.companies.get(str(record["id"]), {})
        title = _TITLES.get(kind, f"Deal moved to {stage}")
        return Draft(
            **common,
            kind=kind,
            occurred_at={_CREATED: created, _STAGE: entered}.get(kind, closed),
            title=f"{title}: {says.get('dealname') or 'no name'}",
            summary=reason.get(kind) or "",
            account=_account(company.get("name"), company.get("domain")),
            attributes=_known(
                amount=float(amount) if (amount := says.get("amount")) else None,
                currency=says.get("deal_currency_code") or self.settings.currency,
                stage=stage,
                pipeline=pipeline,
                reason=reason.get(kind),
                competitor=says.get(self.settings.competitor_property),
                type=says.get("dealtype"),
                channel=says.get("hs_analytics_source"),
            ),
        )

    def lead(self, record: Mapping[str, Any]) -> Draft:
        says = record["properties"]
        of, by = "hs_associated_company_", "hs_associated_contact_"
        names = {"label": "label", "type": "type", "channel": "source"}
        facts = {fact: says.get(f"hs_lead_{name}") for fact, name in names.items()}
        return Draft(
            **self._common(record, "lead"),
            kind="sales.lead.created",
            title=f"New lead: {says.get('hs_lead_name') or 'no name'}",
            account=_account(says.get(f"{of}name"), says.get(f"{of}domain")),
            author=_person(*(says.get(by + it) for it in ("firstname", "lastname", "email"))),
            attributes=_known(**facts),
        )

    def _common(self, record: Mapping[str, Any], what: str) -> dict[str, Any]:
        says = record["properties"]
        created = says.get("createdate") or says.get("hs_createdate") or record["createdAt"]
        return {
            "occurred_at": utc(created),
            "external_id": f"{what}/{record['id']}",
            "revision": says["hs_lastmodifieddate"],
            "revised_at": utc(says["hs_lastmodifieddate"]),
            "url": record.get("url"),
            "owner": self.owners.get(says.get("hubspot_owner_id")),
        }


def _account(name: str | None, domain: str | None) -> AccountRef | None:
    both = (name or domain or "")[:300]
    return AccountRef(name=both, domain=domain or None) if both else None


def _person(first: str | None, last: str | None, email: str | None) -> PersonRef | None:
    name = " ".join(part for part in (first, last) if part) or email
    return PersonRef(name=name[:300], email=email or None) if name else None


def _known(**facts: Any) -> dict[str, Any]:
    return {name: fact for name, fact in facts.items() if fact not in (None, "")}
