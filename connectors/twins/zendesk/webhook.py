"""What Zendesk tells a webhook of a ticket, and how it signs that.

- https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events
- https://developer.zendesk.com/documentation/webhooks/verifying/
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from connectors.twins import Call

_NUMBERS = ("assignee_id", "group_id", "organization_id", "requester_id", "submitter_id")
_WORDS = ("created_at", "description", "external_id", "is_public", "subject", "tags", "updated_at")


def pushed(ticket: Mapping[str, Any], secret: str, at: datetime) -> Call:
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    status = str(ticket["status"]).upper()
    verb = "soft_deleted" if status == "DELETED" else "status_changed"
    detail = {name: ticket.get(name) for name in _WORDS}
    detail |= {name: str(ticket[name]) if ticket.get(name) else None for name in _NUMBERS}
    detail |= {name: str(ticket[name]).upper() for name in ("priority", "type") if ticket.get(name)}
    detail |= {"id": str(ticket["id"]), "status": status, "via": ticket["via"]}
    event = {
        "type": f"zen:event-type:ticket.{verb}",
        "account_id": 22129848,
        "id": str(uuid4()),
        "time": stamp,
        "zendesk_event_version": "2022-06-20",
        "subject": f"zen:ticket:{ticket['id']}",
        "detail": detail,
        "event": {"current": status, "previous": "NEW"},
    }
    body = json.dumps(event).encode()
    digest = hmac.new(secret.encode(), stamp.encode() + body, hashlib.sha256).digest()
    return Call(
        body,
        {
            "content-type": "application/json; charset=utf-8",
            "x-zendesk-webhook-id": "01GK8E6BKWMJZD2T8Y5AXJQMG5",
            "x-zendesk-webhook-invocation-id": f"01HWEBHOOK{uuid4().hex[:16].upper()}",
            "x-zendesk-webhook-signature": base64.b64encode(digest).decode(),
            "x-zendesk-webhook-signature-timestamp": stamp,
        },
    )
