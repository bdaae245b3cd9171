"""Pipedrive: deals as they move and leads as they come in, archived ones too."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import urlsplit
from zlib import crc32

from pydantic import AwareDatetime, Field, model_validator

from connectors.pipedrive.names import Names, records_of
from hub.connector import (
    Accepted,
    Api,
    AuthFailed,
    BasicAuth,
    Batch,
    Connector,
    Cursor,
    Draft,
    Endpoint,
    Header,
    Http,
    Json,
    ModifiedSince,
    NewestFirst,
    Page,
    Pushed,
    RefreshToken,
    SecretStr,
    SourceError,
    SourceMisbehaved,
    Status,
    Verdict,
    streams,
    utc,
)

_CREATED, _STAGE, _WON, _LOST = (f"sales.deal.{it}" for it in ("created", "stage", "won", "lost"))
_LEAD = "sales.lead.created"
_TITLES = {_CREATED: "Deal opened", _WON: "Deal won", _LOST: "Deal lost"}
_TOKENS = "https://oauth.pipedrive.com/oauth/token"
_PAGE = 100  # a list gives 500, but names are asked for by 100: a page's are one request
_SHOWN = ("title", "status", "value", "currency", "stage_id", "lost_reason", "is_archived",
          "is_deleted", "owner_id", "org_id", "organization_id", "person_id", "source_name",
          "origin", "channel_id")  # fmt: skip


class Pipedrive(Connector):
    """Deals and leads of one Pipedrive account, as the user of the token may see them.

    One signal per deal (`deal/<id>`) whose kind moves with its stage, and one per lead
    (`lead/<id>`). A deal that is deleted is seen for 30 days. That a lead is deleted, or became a
    deal, is told by a webhook only.

    Webhooks (version 2: *.deal and *.lead, with HTTP Auth) make the hub ask at once.

    Attributes of a deal: amount, currency, stage and pipeline (as people name them), reason (why
    it was lost), competitor, source, archived; of a lead: amount, currency, source, archived.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({_CREATED, _STAGE, _WON, _LOST, _LEAD})
    every: ClassVar[timedelta] = timedelta(minutes=2)
    sign_in: ClassVar[str] = "an API token, or OAuth2 by an app and a refresh token"
    scopes: ClassVar[tuple[str, ...]] = ("deals:read", "leads:read", "contacts:read", "users:read")
    limits: ClassVar[str] = "the account's tokens of a day, of which a quiet poll costs about 60"

    token: SecretStr | None = None
    """An API token; None signs in with OAuth2."""
    client_id: str | None = None
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    url: str = "https://api.pipedrive.com"
    """The company's own address, https://acme.pipedrive.com, also makes links to the records."""
    since: AwareDatetime | None = None
    """Where the first sync begins; None reads every deal there is."""
    leads: bool = True
    competitor_field: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    """The key of the custom field that names who you were up against."""
    per_minute: Annotated[int, Field(gt=0)] = 300
    push_user: str = "pipedrive"
    """The HTTP Auth username of the webhooks."""
    signing_secret: SecretStr | None = None
    """Their HTTP Auth password: Pipedrive signs nothing."""

    @model_validator(mode="after")
    def _signs_in(self) -> Self:
        if self.token is None and None in (self.client_id, self.client_secret, self.refresh_token):
            raise ValueError("give token, or client_id, client_secret and refresh_token")
        return self

    def endpoint(self) -> Endpoint:
        auth: Header | RefreshToken | None = None
        if self.token is not None:
            auth = Header("x-api-token", self.token)
        elif self.client_id and self.refresh_token:
            auth = RefreshToken(_TOKENS, self.client_id, self.refresh_token, self.client_secret)
        return Http(self.url, auth, self.per_minute, says_no=_says_no)

    def verify(self, request: Pushed) -> Verdict:
        # https://pipedrive.readme.io/docs/guide-for-webhooks-v2
        BasicAuth(self.push_user).check(request, self.signing_secret)
        meta = request.json().get("meta") or {}
        return Accepted(str(meta["id"]) if meta.get("id") else None, poll=timedelta(seconds=5))

    def read(self, event: Pushed) -> Sequence[Draft]:
        """Read what no poll can see: the others come by name and with all they have."""
        meta = event.json()["meta"]
        if (meta.get("action"), meta.get("entity")) != ("delete", "lead"):
            return ()
        at = utc(meta["timestamp"]) if meta.get("timestamp") else event.received_at
        name, title = f"lead/{meta['entity_id']}", "Lead was deleted, or became a deal"
        gone: dict[str, Any] = {"status": Status.DELETED, "revised_at": at, "occurred_at": at}
        return [Draft(kind=_LEAD, external_id=name, revision="deleted", title=title, **gone)]

    def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        names = Names(api)
        # https://developers.pipedrive.com/docs/api/v1/Deals: archived ones are a list of their own.
        pulls = {
            "deals": partial(self._deals, api, names, "/api/v2/deals"),
            "archived": partial(self._deals, api, names, "/api/v2/deals/archived"),
        }
        if self.leads:
            pulls["leads"] = partial(self._leads, api, names)
            pulls["archived leads"] = partial(self._archived_leads, api, names)
        return streams(cursor, pulls)

    def _deals(self, api: Api, names: Names, path: str, cursor: Cursor) -> AsyncIterator[Page]:
        async def ask(since: datetime | None, place: Json) -> Batch:
            order = {"sort_by": "update_time", "sort_direction": "asc", "limit": _PAGE}
            status = "open,won,lost,deleted"  # without it deleted ones are left out
            body = await api.get(path, updated_since=since, status=status, cursor=place, **order)
            await names.learn(records := records_of(body))
            return Batch(records, (body.get("additional_data") or {}).get("next_cursor"))

        read = partial(self._deal, names)
        return ModifiedSince().pages(cursor, ask, _changed, read=read, since=self.since)

    def _leads(self, api: Api, names: Names, cursor: Cursor) -> AsyncIterator[Page]:
        async def ask(since: datetime | None, place: Json) -> Batch:
            order = {"sort": "update_time ASC", "updated_since": since}
            return await _listed(api, names, "/v1/leads", place, order)

        read, family = partial(self._lead, names), ModifiedSince(moving=True)
        return family.pages(cursor, ask, _changed, read=read, since=self.since)

    def _archived_leads(self, api: Api, names: Names, cursor: Cursor) -> AsyncIterator[Page]:
        async def ask(_: datetime | None, __: datetime | None, place: Json) -> Batch:
            # This list knows no `updated_since`: it is read from its newest change down.
            order = {"sort": "update_time DESC"}
            return await _listed(api, names, "/v1/leads/archived", place, order)

        read = partial(self._lead, names)
        return NewestFirst().pages(cursor, ask, _changed, read=read, since=self.since)

    def _deal(self, names: Names, deal: Mapping[str, Any]) -> Draft:
        added, status = utc(deal["add_time"]), deal["status"]
        about = self._common(deal, "deal", "deal")
        if status == "deleted" or deal.get("is_deleted"):
            gone = {"kind": _STAGE, "title": "Deal was deleted", "status": Status.DELETED}
            return Draft(**about, **gone, occurred_at=about["revised_at"])
        moved = utc(at) if (at := deal.get("stage_change_time")) else None
        kind = _STAGE if moved and moved > added else _CREATED
        kind = {"won": _WON, "lost": _LOST}.get(status, kind)
        ended = deal.get({_WON: "won_time", _LOST: "lost_time"}.get(kind, ""))
        occurred = utc(ended) if ended else moved if kind == _STAGE else about["revised_at"]
        stage = names.stages.get(deal.get("stage_id"))
        title = _TITLES.get(kind, f"Deal moved to {stage or 'another stage'}")
        reason = deal.get("lost_reason") if kind == _LOST else None
        return Draft(
            **about,
            kind=kind,
            occurred_at=added if kind == _CREATED else occurred or about["revised_at"],
            title=f"{title}: {deal.get('title') or 'no name'}",
            summary=reason or "",
            owner=names.users.get(deal.get("owner_id")),
            account=names.account(deal.get("org_id"), deal.get("person_id")),
            attributes=_known(
                amount=deal.get("value"),
                currency=deal.get("currency"),
                stage=stage,
                pipeline=names.pipelines.get(deal.get("pipeline_id")),
                reason=reason,
                competitor=(deal.get("custom_fields") or {}).get(self.competitor_field or ""),
                channel=deal.get("channel_id") or deal.get("origin"),
                archived=deal.get("is_archived") or None,
            ),
        )

    def _lead(self, names: Names, lead: Mapping[str, Any]) -> Draft:
        value = lead.get("value") or {}
        return Draft(
            **self._common(lead, "lead", "leads/inbox"),
            kind=_LEAD,
            occurred_at=utc(lead["add_time"]),
            title=f"New lead: {lead.get('title') or 'no name'}",
            owner=names.users.get(lead.get("owner_id")),
            account=names.account(lead.get("organization_id"), None),
            author=names.persons.get(lead.get("person_id")),
            attributes=_known(
                amount=value.get("amount"),
                currency=value.get("currency"),
                channel=lead.get("source_name") or lead.get("origin"),
                archived=lead.get("is_archived") or None,
            ),
        )

    def _common(self, record: Mapping[str, Any], what: str, path: str) -> dict[str, Any]:
        at, is_own = _changed(record), urlsplit(self.url).hostname != "api.pipedrive.com"
        # The time is to the second, in which more than one change may fall.
        values = [record.get(name) for name in _SHOWN]
        values += [(record.get("custom_fields") or {}).get(self.competitor_field or "")]
        if isinstance(value := record.get("value"), Mapping):
            values += [value.get("amount"), value.get("currency")]
        shown = json.dumps([one for one in values if not isinstance(one, Mapping)]).encode()
        return {
            "external_id": f"{what}/{record['id']}",
            "revision": f"{at:%Y-%m-%dT%H:%M:%SZ}-{crc32(shown):08x}",
            "revised_at": at,
            "url": f"{self.url.rstrip('/')}/{path}/{record['id']}" if is_own else None,
        }


async def _listed(
    api: Api, names: Names, path: str, place: Json, order: Mapping[str, Any]
) -> Batch:
    """Read a page of a list of version 1, which counts by offset."""
    body = await api.get(path, start=place or 0, limit=_PAGE, **order)
    await names.learn(records := records_of(body))
    paging = (body.get("additional_data") or {}).get("pagination") or {}
    more = paging.get("more_items_in_collection")
    return Batch(records, paging.get("next_start") if more else None)


def _says_no(body: Any) -> SourceError | None:
    if not isinstance(body, Mapping) or body.get("success") is not False:
        return None
    words = f"Pipedrive says: {body.get('error')}"
    return AuthFailed(words) if body.get("errorCode") in {401, 403} else SourceMisbehaved(words)


def _changed(record: Mapping[str, Any]) -> datetime:
    return utc(record["update_time"])


def _known(**facts: Any) -> dict[str, Any]:
    return {name: fact for name, fact in facts.items() if fact not in (None, "")}
