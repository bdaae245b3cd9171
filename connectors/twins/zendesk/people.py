"""Who asks at a Zendesk: users, and the organizations that their domains belong to."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

HOME = "https://acme.zendesk.example"

Record = dict[str, Any]


class People:
    """Finds whom a ticket names, and makes who is new."""

    def __init__(self) -> None:
        self.users: dict[int, Record] = {}
        self.organizations: dict[int, Record] = {}

    def asked_by(self, record: Mapping[str, Any], at: datetime) -> Record:
        """Find or make the requester and the organization; a domain brings one to the other.

        https://support.zendesk.com/hc/en-us/articles/4408886840986
        """
        customer, requester = record.get("organization"), record.get("requester")
        if customer is None and requester is None and "organization" not in record:
            customer = "Acme Robotics"
        organization = self.organization(customer, at) if customer else None
        domains = organization["domain_names"] if organization else []
        requester = {"name": requester} if isinstance(requester, str) else requester or {}
        name = requester.get("name", "Robin Weber")
        email = requester.get("email", f"{_slug(name)}@{domains[0] if domains else 'mail.example'}")
        if organization is None and "organization" not in record:
            domain = (email or "").rpartition("@")[2]
            known = self.organizations.values()
            organization = next((one for one in known if domain in one["domain_names"]), None)
        belongs = organization["id"] if organization else None
        user = self.user(name, email, at, organization=belongs)
        return {
            "requester_id": user["id"],
            "submitter_id": user["id"],
            "organization_id": belongs,
        }

    def user(
        self,
        name: str,
        email: str | None,
        at: datetime,
        *,
        role: str = "end-user",
        organization: int | None = None,
    ) -> Record:
        known = (user for user in self.users.values() if user["email"] == email)
        user = next(known, None) or {"id": 9000 + len(self.users), "created_at": iso(at)}
        user |= {
            "url": f"{HOME}/api/v2/users/{user['id']}.json",
            "name": name,
            "email": email,
            "role": role,
            "organization_id": organization,
            "active": True,
            "updated_at": iso(at),
        }
        return self.users.setdefault(user["id"], user)

    def organization(self, given: str | Mapping[str, Any], at: datetime) -> Record:
        asked = {"name": given} if isinstance(given, str) else given
        name = asked["name"]
        domain = asked.get("domain", f"{_slug(name, '-')}.example")
        for one in self.organizations.values():
            if domain in one["domain_names"] or one["name"].casefold() == name.casefold():
                return one
        number = 500 + len(self.organizations)
        self.organizations[number] = {
            "id": number,
            "url": f"{HOME}/api/v2/organizations/{number}.json",
            "name": name,
            "domain_names": [domain] if domain else [],
            "created_at": iso(at),
            "updated_at": iso(at),
        }
        return self.organizations[number]


def _slug(name: str, joined: str = ".") -> str:
    return joined.join(re.findall(r"[a-z0-9]+", name.lower())) or "someone"


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
