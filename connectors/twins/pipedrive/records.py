"""The records of a Pipedrive on loopback, as it shows them."""

from datetime import UTC, datetime
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, Any]

CUSTOMERS = ("Acme Robotics", "Borealis Foods", "Cobalt Insurance", "Delta Shipping")


def deal(number: int, at: datetime) -> Record:
    nothing = ("won_time", "lost_time", "close_time", "stage_change_time", "lost_reason", "channel",
               "archive_time", "origin_id", "channel_id", "probability")  # fmt: skip
    return {
        **dict.fromkeys(nothing),
        "id": number,
        "title": f"Deal {number}",
        "creator_user_id": 1,
        "owner_id": 1,
        "value": 1000 + number,
        "currency": "EUR",
        "person_id": number % len(CUSTOMERS) + 1,
        "org_id": number % len(CUSTOMERS) + 1,
        "stage_id": 1,
        "pipeline_id": 1,
        "add_time": iso(at),
        "update_time": iso(at),
        "status": "open",
        "is_archived": False,
        "is_deleted": False,
        "origin": "ManuallyCreated",
        "label_ids": [],
        "custom_fields": {},
    }


def lead(key: str, number: int, at: datetime) -> Record:
    nothing = ("origin_id", "channel", "channel_id", "expected_close_date", "next_activity_id")
    time = f"{iso(at)[:-1]}.000Z"
    return {
        **dict.fromkeys(nothing),
        "id": key,
        "title": f"Lead {number}",
        "owner_id": 1,
        "creator_id": 1,
        "label_ids": [],
        "person_id": number % len(CUSTOMERS) + 1,
        "organization_id": number % len(CUSTOMERS) + 1,
        "source_name": "Web forms",
        "origin": "WebForm",
        "is_archived": False,
        "was_seen": False,
        "value": {"amount": 999, "currency": "EUR"},
        "add_time": time,
        "update_time": time,
    }


def person(number: int, company: str) -> Record:
    email = f"robin@{company.lower().replace(' ', '-')}.example"
    emails = [{"value": "robin@home.example", "primary": False}, {"value": email, "primary": True}]
    return {"id": number, "name": f"Robin {number}", "emails": emails}


def iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
