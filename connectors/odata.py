"""OData services, of version 4 (Dynamics 365, SAP) and 2 (SAP Gateway), by what hub.toml says."""

import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from hub.connector import (
    MAPPED_KINDS,
    Api,
    BadRecord,
    Batch,
    Connector,
    Cursor,
    Delta,
    Draft,
    Duration,
    Endpoint,
    Fields,
    Filter,
    Http,
    Json,
    ModifiedSince,
    OpaqueToken,
    Page,
    SourceMisbehaved,
    Status,
    Time,
    WayIn,
    link_on,
    now,
    read_time,
    streams,
)

# How a token is refused that is kept no longer: 410, and by Dataverse 400 (ExpiredVersionStamp).
# https://learn.microsoft.com/en-us/dynamics365/business-central/dev-itpro/developer/devenv-connect-apps-delta
_EXPIRED = frozenset({400, 404, 410})
_IN_KEY = re.compile(r"\((?:\w+=)?'?([^()']+)'?\)/?$")  # …/Customers('ALFKI'), Customers(Id=7)


class EntitySet(BaseModel):
    """One entity set: what is asked of it, how it tells of changes, and what its records say."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {
                    "name": "opportunities",
                    "key": "opportunityid",
                    "changed": "modifiedon",
                    "fields": {
                        "id": "$.opportunityid",
                        "kind": "sales.deal.stage",
                        "title": "$.name",
                    },
                }
            ]
        },
    )

    name: str
    """As in the service's address: `opportunities`, `OpportunityCollection`."""
    key: str
    """The property that names an entity."""
    changed: str | None = None
    """The property with the time of change: what changed since is asked for, by `$filter`."""
    delta: bool = False
    """Instead, let the service track changes: it hands out delta links, and tells of deletions."""
    filter: str | None = None
    """`$filter`, in the service's own words."""
    select: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    size: Annotated[int, Field(gt=0)] = 500
    """How many records to ask for at once."""
    literal: Literal["datetimeoffset", "datetime"] = "datetimeoffset"
    """How version 2 writes the time of `changed`: by its type in `$metadata`."""
    deleted: Filter | None = None
    """What holds of a record that is deleted: `@.ODQ_CHANGEMODE == 'D'`."""
    overlap: Duration = timedelta(minutes=5)
    """How late a change may appear: what was changed in a transaction is seen when that ends."""
    fields: Fields

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.changed is None) != self.delta:
            raise ValueError("say either changed or delta")
        return self

    def params(self, version: int, since: datetime | None, skip: Json) -> dict[str, Any]:
        """Ask for a page. `$top` would end the whole list in version 4: there it is a preference.

        https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part1-protocol.html#sec_Preferencemaxpagesizeodatamaxpagesize
        """
        conditions = [f"({self.filter})"] if self.filter else []
        if since is not None and self.changed:
            conditions.append(f"{self.changed} ge {self._time(version, since)}")
        return {
            "$filter": " and ".join(conditions) or None,
            "$orderby": f"{self.changed} asc,{self.key} asc" if self.changed else None,
            "$select": ",".join(self.select) or None,
            "$expand": ",".join(self.expand) or None,
            "$top": self.size if version == 2 and self.changed else None,
            "$skip": skip,
            "$format": "json" if version == 2 else None,
        }

    def _time(self, version: int, at: datetime) -> str:
        text = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        if version == 4:
            return f"{text}Z"
        # https://www.odata.org/documentation/odata-version-2-0/overview/#AbstractTypeSystem
        return f"datetime'{text}'" if self.literal == "datetime" else f"datetimeoffset'{text}Z'"

    def read(self, record: Mapping[str, Any], fields: Fields, seen: datetime) -> Draft | None:
        if (gone := _removed(record)) is not None:
            name = record.get(self.key) or gone
            return self._gone({self.key: name}, fields, seen)
        if "$link" in (context := str(record.get("@odata.context", ""))) or "Link" in context:
            return None  # a relation that came or went
        if self.deleted is not None and self.deleted.holds(record):
            return self._gone(record, fields, seen)
        return fields.draft(record, seen)

    def _gone(self, record: Mapping[str, Any], fields: Fields, seen: datetime) -> Draft:
        """Withdraw a signal. What is left of the record need not tell its kind any more."""
        kind = next((str(one) for _, one in fields.kind.constants()), None)
        with contextlib.suppress(BadRecord):
            kind = fields.kind.find(record) or kind
        name = fields.id.find(record)
        if not kind or not name:
            raise BadRecord("a deleted entity, which names no signal: has fields.kind a default?")
        return Draft(
            kind=kind,
            external_id=str(name),
            revision=f"deleted-{seen.isoformat()}",
            revised_at=seen,
            occurred_at=seen,
            title=f"{name} was deleted",
            status=Status.DELETED,
        )


class OData(Connector):
    """Entity sets of an OData service, each a stream: [docs/odata.md](odata.md) shows how.

    A set is asked for what changed since, by a property with the time of change; or, where the
    service tracks changes, by its delta links, which tell of deletions too.
    """

    kinds: ClassVar[frozenset[str]] = MAPPED_KINDS
    every: ClassVar[timedelta] = timedelta(minutes=5)

    sign_in: ClassVar[str] = (
        "OAuth2 client credentials at Dynamics 365; a communication user's name and password, or "
        "OAuth2, at SAP."
    )
    scopes: ClassVar[tuple[str, ...]] = (
        "to read the entity sets that are named, and the properties that are selected",
    )
    limits: ClassVar[str] = (
        "`per_minute` requests, `size` records each. Without `delta` deletions are not seen."
    )

    url: str
    """The service's root: https://<org>.crm.dynamics.com/api/data/v9.2"""
    version: Literal[2, 4] = 4
    auth: WayIn | None = None
    headers: Mapping[str, str] = Field(default_factory=dict)
    params: Mapping[str, str] = Field(default_factory=dict)
    """Sent with each request, as `sap-client`; a key belongs into a header."""
    sets: Annotated[Mapping[str, EntitySet], Field(min_length=1)]
    """What to read, by names of your own."""
    since: AwareDatetime | None = None
    """Where the first sync begins, of sets that are read by `changed`."""
    per_minute: Annotated[int, Field(gt=0)] = 60

    def endpoint(self) -> Endpoint:
        auth = self.auth.auth() if self.auth else None
        return Http(self.url, auth, self.per_minute, self.headers)

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        pulls = {name: partial(self._pull, api, one) for name, one in self.sets.items()}
        async for page in streams(cursor, pulls):
            yield page

    def _pull(self, api: Api, entities: EntitySet, cursor: Cursor) -> AsyncIterator[Page]:
        seen, fields = now(), entities.fields
        if entities.delta:
            return OpaqueToken(_EXPIRED).pages(
                cursor,
                partial(self._tracked, api, entities),
                read=lambda record: entities.read(record, fields, seen),
            )
        time = Time.model_validate({"path": f"$['{entities.changed}']"})
        if fields.revised_at is None:
            fields = fields.model_copy(update={"revised_at": time})

        def changed(record: Any) -> datetime:
            # `/Date(…)/` in version 2, which is read without being told.
            return read_time(record[entities.changed])

        # A skip token may be a number of records, which shifts while they change.
        return ModifiedSince(entities.overlap, moving=True).pages(
            cursor,
            partial(self._changed, api, entities),
            changed,
            read=lambda record: entities.read(record, fields, seen),
            since=self.since,
        )

    async def _changed(
        self, api: Api, entities: EntitySet, since: datetime | None, place: Json
    ) -> Batch:
        link = place if isinstance(place, str) else None
        asked = entities.params(self.version, since, None if link else place)
        records, following, _ = await self._ask(api, entities, asked, link)
        if following is None and self.version == 2 and len(records) >= entities.size:
            # The server does not page, so `$top` did.
            return Batch(records, (place if isinstance(place, int) else 0) + len(records))
        return Batch(records, following)

    async def _tracked(self, api: Api, entities: EntitySet, token: Json) -> Delta:
        link = str(token) if token is not None else None
        asked = entities.params(self.version, None, None)
        records, following, delta = await self._ask(api, entities, asked, link)
        if following is not None:
            return Delta(records, following, more=True)
        if delta is None:
            raise SourceMisbehaved(
                f"{entities.name} gives no delta link",
                "Let the service track its changes, or read it by changed",
            )
        return Delta(records, delta)

    async def _ask(
        self, api: Api, entities: EntitySet, asked: Mapping[str, Any], link: str | None
    ) -> tuple[list[Any], str | None, str | None]:
        """Ask for a page: its records, and the links to the next page and to what changes after."""
        preferences = [f"odata.maxpagesize={entities.size}"] if self.version == 4 else []
        preferences += ["odata.track-changes"] if entities.delta else []
        headers = {"Accept": "application/json"}
        if preferences:
            headers["Prefer"] = ", ".join(preferences)
        if self.version == 4:
            headers |= {"OData-Version": "4.0", "OData-MaxVersion": "4.01"}
        params = {} if link else {**self.params, **asked}
        answer = await api.fetch(link or entities.name, params=params, headers=headers)
        body = answer.json()
        names = ("@odata.nextLink", "@odata.deltaLink") if self.version == 4 else _LINKS_2
        # JSON of 4.01 may leave the prefix out.
        table = body.get("d", body) if self.version == 2 and isinstance(body, dict) else body
        records = _records(table)
        links = (_text(table, name) or _text(table, name.replace("odata.", "")) for name in names)
        following, delta = (link_on(answer.url, one) if one else None for one in links)
        return records, following, delta


_LINKS_2 = ("__next", "__delta")


def _records(table: Any) -> list[Any]:
    """Find the list: `value`; in version 2 `d.results`, or `d` itself."""
    found = table
    if isinstance(table, Mapping):
        found = table.get("value", table.get("results"))
    if isinstance(found, list):
        return found
    error = table.get("error") if isinstance(table, Mapping) else None
    words = f": {str(error)[:200]}" if error else ""
    raise SourceMisbehaved(f"the service answered without a list of entities{words}")


def _text(table: Any, name: str) -> str | None:
    found = table.get(name) if isinstance(table, Mapping) else None
    return found if isinstance(found, str) and found else None


def _removed(record: Mapping[str, Any]) -> str | None:
    """Name an entity that was removed, as versions 4.0 and 4.01 say it; None of any other.

    https://docs.oasis-open.org/odata/odata-json-format/v4.01/odata-json-format-v4.01.html#sec_DeletedEntity
    """
    context = str(record.get("@odata.context") or record.get("@context") or "")
    told = "@removed" in record or "@odata.removed" in record
    if not told and not context.endswith(("/$deletedEntity", "#$deletedEntity")):
        return None
    name = str(record.get("id") or record.get("@odata.id") or record.get("@id") or "")
    found = _IN_KEY.search(name)
    return found[1] if found else name
