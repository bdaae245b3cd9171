"""Incidents of PagerDuty, and how they name each other, people, services and teams."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, Any]
HOME = "https://acme.pagerduty.example"
_MADE_UP = ("Checkout answers 502", "Replication lag over five minutes", "Disk of db-3 is full")
PEOPLE = ("Priya Natarajan", "Tomás Rivera", "Hana Kovac")


def triggered(name: str, number: int, record: Mapping[str, Any], at: datetime) -> Record:
    title = record.get("title", _MADE_UP[number % len(_MADE_UP)])
    service = record.get("service", "Checkout")
    return {
        **reference("incident", name, f"[#{number}] {title}"),
        "type": "incident",
        "incident_number": number,
        "title": title,
        "created_at": iso(at),
        "updated_at": iso(at),
        "status": "triggered",
        "service": reference("service", f"PS{sum(map(ord, service)):05d}", service),
        "assignments": [
            {"at": iso(at), "assignee": reference("user", *person(PEOPLE[0]))},
        ],
        "last_status_change_at": iso(at),
        "resolved_at": None,
        "escalation_policy": reference("escalation_policy", "PE00001", "Default"),
        "teams": [reference("team", "PQ9K7I8", record.get("team", "Engineering"))],
        "priority": None,
        "urgency": "high",
    }


def reference(kind: str, name: str, summary: str) -> Record:
    path = {"incident": "incidents", "user": "users", "service": "service-directory",
            "team": "teams", "escalation_policy": "escalation_policies"}[kind]  # fmt: skip
    return {
        "id": name,
        "type": f"{kind}_reference",
        "summary": summary,
        "self": f"https://api.pagerduty.example/{path}/{name}",
        "html_url": f"{HOME}/{path}/{name}",
    }


def person(name: str) -> tuple[str, str]:
    return f"PU{sum(map(ord, name)):05d}", name


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
