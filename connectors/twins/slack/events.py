"""What Slack pushes of a message: https://docs.slack.dev/reference/events/message."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from connectors.twins import Call


def event_of(channel: Mapping[str, Any], was: Any, message: Any, at: datetime) -> dict[str, Any]:
    """Write the event of a message that was said (no `was`), edited, or deleted (no `message`)."""
    ts = f"{at.timestamp():.6f}"
    kind = "im" if channel.get("is_im") else "group" if channel.get("is_private") else "channel"
    where = {"type": "message", "channel": channel["id"], "channel_type": kind, "event_ts": ts}
    if was is None:
        return {**message, **where, "event_ts": message["ts"]}
    hidden = where | {"hidden": True, "ts": ts, "previous_message": was}
    if message is None:
        return hidden | {"subtype": "message_deleted", "deleted_ts": was["ts"]}
    return hidden | {"subtype": "message_changed", "message": message}


def pushed(event: Mapping[str, Any], secret: str, at: datetime) -> Call:
    envelope = {
        "token": "the-old-verification-token",
        "team_id": "T000000001",
        "api_app_id": "A000000001",
        "type": "event_callback",
        "event_id": f"Ev{uuid4().hex[:9].upper()}",
        "event_time": int(at.timestamp()),
        "event": event,
    }
    return signed(json.dumps(envelope).encode(), secret, at)


def signed(body: bytes, secret: str, at: datetime) -> Call:
    """Sign a body: https://docs.slack.dev/authentication/verifying-requests-from-slack."""
    stamp = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256)
    return Call(
        body,
        {
            "content-type": "application/json",
            "x-slack-request-timestamp": stamp,
            "x-slack-signature": f"v0={digest.hexdigest()}",
        },
    )
