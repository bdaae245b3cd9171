"""What HubSpot pushes of a deal: https://developers.hubspot.com/docs/api-reference/latest/webhooks/guide."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from itertools import count
from typing import Any

from connectors.twins import Call

_EVENTS = count(100)


def pushed(deal: Mapping[str, Any], url: str, secret: str, at: datetime) -> Call:
    """Tell of a deal: one property, or that it is gone, and nothing else of it."""
    said: dict[str, Any] = {"subscriptionType": "deal.deletion", "changeFlag": "DELETED"}
    if not deal["archived"]:
        said = {"subscriptionType": "deal.propertyChange", "propertyName": "dealstage"}
        said["propertyValue"] = deal["properties"]["dealstage"]
    modified = datetime.fromisoformat(deal["updatedAt"])
    about = {
        "eventId": next(_EVENTS),
        "subscriptionId": 12345,
        "portalId": 62515,
        "appId": 54321,
        "occurredAt": round(modified.timestamp() * 1000),
        "attemptNumber": 0,
        "objectId": int(deal["id"]),
        "changeSource": "CRM_UI",
    }
    return signed(json.dumps([about | said]).encode(), url, secret, at)


def signed(body: bytes, url: str, secret: str, at: datetime) -> Call:
    """Sign as of now and as ever: both come.

    https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
    """
    stamp = str(round(at.timestamp() * 1000))
    said = f"POST{url}".encode() + body + stamp.encode()
    digest = hmac.new(secret.encode(), said, hashlib.sha256).digest()
    return Call(
        body,
        {
            "content-type": "application/json",
            "x-hubspot-signature-version": "v1",
            "x-hubspot-signature": hashlib.sha256(secret.encode() + body).hexdigest(),
            "x-hubspot-request-timestamp": stamp,
            "x-hubspot-signature-v3": base64.b64encode(digest).decode(),
        },
    )
