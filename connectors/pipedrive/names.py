"""Pipedrive: what the numbers in its records stand for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.connector import AccountRef, Api, PersonRef, SourceMisbehaved


@dataclass(slots=True)
class Names:
    """What ids stand for: asked for when a record names them, kept for one poll."""

    api: Api
    stages: dict[Any, str] = field(default_factory=dict)
    pipelines: dict[Any, str] = field(default_factory=dict)
    users: dict[Any, PersonRef | None] = field(default_factory=dict)
    organizations: dict[Any, str] = field(default_factory=dict)
    persons: dict[Any, PersonRef | None] = field(default_factory=dict)

    async def learn(self, records: Sequence[Any]) -> None:
        """Ask for what these records name and is not known yet."""
        some = [one for one in records if isinstance(one, Mapping)]
        if some and not self.users:
            users = records_of(await self.api.get("/v1/users"))
            self.users = {one["id"]: person_of(one) for one in users}
        if not self.stages and any(one.get("stage_id") for one in some):
            for path, known in (("stages", self.stages), ("pipelines", self.pipelines)):
                known |= {one["id"]: one["name"] for one in await self._all(f"/api/v2/{path}")}
        for one in await self._of(some, self.organizations, "organizations", "org_id"):
            self.organizations[one["id"]] = one.get("name") or ""
        for one in await self._of(some, self.persons, "persons", "person_id"):
            self.persons[one["id"]] = person_of(one)

    async def _all(self, path: str) -> list[Any]:
        found: list[Any] = []
        seen: list[Any] = [None]
        while True:
            body = await self.api.get(path, limit=500, cursor=seen[-1])
            found += records_of(body)
            place = (body.get("additional_data") or {}).get("next_cursor")
            if place in seen:  # None: this was the last page
                return found
            seen.append(place)

    async def _of(
        self, records: Sequence[Mapping[str, Any]], known: Mapping[Any, Any], what: str, key: str
    ) -> list[Any]:
        keys = {key, key.replace("org_", "organization_")}  # in leads it is written out
        ids = {one.get(name) for one in records for name in keys} - {None} - known.keys()
        asked = ",".join(sorted(map(str, ids)))
        return (
            records_of(await self.api.get(f"/api/v2/{what}", ids=asked, limit=100)) if ids else []
        )

    def account(self, organization: Any, person: Any) -> AccountRef | None:
        """Name the customer; of a private person by the address that they write from."""
        who = self.persons.get(person)
        domain = (who.email or "").rpartition("@")[2] if who else None
        name = self.organizations.get(organization)
        return AccountRef(name=name[:300], domain=domain or None) if name else None


def records_of(body: Any) -> list[Any]:
    if not isinstance(body, Mapping) or not isinstance(body.get("data") or [], list):
        raise SourceMisbehaved("Pipedrive's answer has no list of records")
    return body.get("data") or []


def person_of(about: Mapping[str, Any]) -> PersonRef | None:
    emails = [one for one in about.get("emails") or () if one.get("value")]
    first = next((one["value"] for one in emails if one.get("primary")), None)
    email = about.get("email") or first or next((one["value"] for one in emails), None)
    name = about.get("name") or email
    return PersonRef(name=name[:300], email=email) if name else None
