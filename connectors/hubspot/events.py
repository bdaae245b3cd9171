"""What HubSpot pushes: up to a hundred events in one request, unordered, and each perhaps twice.

https://developers.hubspot.com/docs/api-reference/latest/webhooks/guide
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from hub.connector import BadRecord, Digest, Hmac, Pushed, SecretStr

# https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
_V3 = Hmac(
    "X-HubSpot-Signature-v3",
    encoding="base64",
    signed="{method}{decoded_url}{body}{timestamp}",
    timestamp="X-HubSpot-Request-Timestamp",
)
_V1 = Digest("X-HubSpot-Signature")  # all that older apps are sent of CRM events
_NAMES = ("eventId", "subscriptionId", "objectId", "occurredAt")


def checked(request: Pushed, secret: SecretStr | None) -> None:
    """Check the newest signature that came. Raises PushRefused."""
    (_V3 if _V3.header.lower() in request.headers else _V1).check(request, secret)


def delivery(events: Any) -> str:
    """Name a batch by what is in it: the number of the attempt differs when it is sent again."""
    if not isinstance(events, list) or not all(isinstance(one, Mapping) for one in events):
        raise BadRecord("a push of HubSpot is a list of events")
    said = sorted(str([one.get(name) for name in _NAMES]) for one in events)
    return hashlib.sha256("".join(said).encode()).hexdigest()


def deletions(events: Any) -> Iterator[Mapping[str, Any]]:
    """Find deals that were deleted; `object.deletion` is what newer apps subscribe to."""
    for one in events:
        kind, of = one.get("subscriptionType"), one.get("objectTypeId")
        if kind == "deal.deletion" or (kind == "object.deletion" and of == "0-3"):
            yield one
