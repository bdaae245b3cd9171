"""Standard Webhooks: signing what the hub sends, verifying what it is sent. Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import secrets as random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

PREFIX = "whsec_"
TOLERANCE = timedelta(seconds=300)


def new_secret() -> str:
    return PREFIX + base64.b64encode(random.token_bytes(32)).decode()


def sign(secrets: Sequence[str], id: str, at: datetime, body: bytes) -> dict[str, str]:  # noqa: A002 - the specification's word
    """Make the three headers; during a rotation each secret adds its signature."""
    if not secrets:
        raise ValueError("a webhook needs at least one secret")
    if not id or "." in id:
        # The id is signed as `id.timestamp.body`: a full stop in it would be ambiguous.
        raise ValueError("a webhook id is not empty and has no full stop")
    timestamp = str(int(at.timestamp()))
    signatures = [_signature(key(secret), id, timestamp, body) for secret in secrets]
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": b" ".join(signatures).decode(),
    }


def verify(
    secrets: Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    tolerance: timedelta = TOLERANCE,
) -> bool:
    """Tell whether one of the secrets signed this body, within the tolerance of `now`."""
    given = {name.lower(): value for name, value in headers.items()}
    id_, timestamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    at = _moment(timestamp)
    if not id_ or at is None or abs(now - at) > tolerance:
        return False
    wanted = [_signature(key(secret), id_, timestamp, body) for secret in secrets]
    offered = given.get("webhook-signature", "").encode(errors="surrogateescape").split(b" ")
    # Compare every pair, so that the time tells nothing about which one was right; as text, for
    # base64 has several spellings of the same bytes.
    matches = [hmac.compare_digest(one, other) for one in wanted for other in offered]
    return any(matches)


def key(secret: str) -> bytes:
    """Read a secret's bytes; ValueError when it is none."""
    encoded = secret.removeprefix(PREFIX)
    try:
        read = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        raise ValueError("a webhook secret is whsec_ and base64") from None
    if not read:
        raise ValueError("a webhook secret may not be empty")
    return read


def _signature(secret: bytes, id_: str, timestamp: str, body: bytes) -> bytes:
    signed = f"{id_}.{timestamp}.".encode(errors="surrogateescape") + body
    return b"v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256))


def _moment(timestamp: str) -> datetime | None:
    # Eleven digits reach the year 5138; more, a sign or a blank is no timestamp.
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 11):
        return None
    return datetime.fromtimestamp(int(timestamp), UTC)
