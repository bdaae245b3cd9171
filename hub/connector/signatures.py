"""How vendors sign what they push: each scheme a small value that checks a request by a secret.

Each compares raw bytes, in a time that tells nothing about the secret, and raises PushRefused. A
secret may be two, separated by a space, while one is replaced: both are then taken.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from pydantic import SecretStr

from hub import signing
from hub.connector.pushed import Pushed
from hub.errors import BadRecord, PushRefused, TakesNoPushes

Algorithm: TypeAlias = Literal["sha1", "sha256", "sha512"]
Encoding: TypeAlias = Literal["hex", "base64"]

SHORTEST = (
    16  # letters of each of two secrets in one: one that has a space in it is longer than a word
)
TOLERANCE = timedelta(minutes=5)

_PLACE = re.compile(r"\{(\w+)\}")
# What HubSpot decodes in the address that it signs, and nothing else:
# https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
_DECODED = re.compile("%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
_PARTS: Mapping[str, Callable[[Pushed], bytes]] = {
    "body": lambda request: request.body,
    "method": lambda request: request.method.encode(),
    "url": lambda request: _bytes(request.url),
    "decoded_url": lambda request: _bytes(
        _DECODED.sub(lambda found: chr(int(found[0][1:], 16)), request.url)
    ),
}


@dataclass(frozen=True, slots=True)
class Hmac:
    """A keyed hash in a header, which may hold several, as while a secret is replaced.

    `signed` says of what: `{body}`, `{method}`, `{url}`, `{decoded_url}` (HubSpot's) and
    `{timestamp}`, the text of the header that `timestamp` names. That is a time in seconds or
    milliseconds since 1970, or ISO; one further from now than `tolerance` is refused.
    """

    header: str
    _: KW_ONLY
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    prefix: str = ""
    signed: str = "{body}"
    timestamp: str | None = None
    tolerance: timedelta = TOLERANCE

    def __post_init__(self) -> None:
        places = set(_PLACE.findall(self.signed))
        if unknown := places - {*_PARTS, "timestamp"}:
            raise ValueError(f"signed: there is no {{{unknown.pop()}}}; there are: {_KNOWN}")
        if "body" not in places:
            raise ValueError("signed: without {body} anybody could change what is sent")
        if ("timestamp" in places) != (self.timestamp is not None):
            raise ValueError(
                "signed names {timestamp} where `timestamp` names its header, and else not"
            )

    def check(self, request: Pushed, secret: SecretStr | None) -> None:
        """Raise PushRefused unless one of the signatures was made by the secret."""
        keys = secrets(secret)
        given = _header(request, self.header)
        signed = _fill(self.signed, request, self.timestamp, self.tolerance)
        made = [_written(hmac.digest(key, signed, self.algorithm), self.encoding) for key in keys]
        offered = [
            _bytes(one.removeprefix(self.prefix))
            for one in re.split(r"[,\s]+", given)
            if one.startswith(self.prefix)
        ]
        _require(offered, made, self.header)


@dataclass(frozen=True, slots=True)
class Digest:
    """A plain hash of the secret and the request (HubSpot's v1 and v2): no HMAC, and no time."""

    header: str
    _: KW_ONLY
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    signed: str = "{body}"
    """What follows the secret."""

    def check(self, request: Pushed, secret: SecretStr | None) -> None:
        keys = secrets(secret)
        given = _header(request, self.header)
        signed = _fill(self.signed, request, None, TOLERANCE)
        made = [
            _written(hashlib.new(self.algorithm, key + signed).digest(), self.encoding)
            for key in keys
        ]
        _require([_bytes(given.strip())], made, self.header)


@dataclass(frozen=True, slots=True)
class StandardWebhooks:
    """The scheme that the hub itself signs by; the delivery's id is the header webhook-id.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """

    tolerance: timedelta = TOLERANCE

    def check(self, request: Pushed, secret: SecretStr | None) -> None:
        keys = secrets(secret)[0].decode().split()  # base64 has no spaces
        for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
            _header(request, name)
        try:
            good = signing.verify(
                keys,
                request.headers,
                request.body,
                now=request.received_at,
                tolerance=self.tolerance,
            )
        except ValueError as error:
            raise PushRefused(f"the secret of this source is none: {error}") from None
        if not good:
            raise PushRefused(
                "webhook-signature was not made of this request by the secret, or is too old"
            )


@dataclass(frozen=True, slots=True)
class Token:
    """The secret itself in a header: nothing proves that the request is whole, but for TLS."""

    header: str = "authorization"
    prefix: str = ""

    def check(self, request: Pushed, secret: SecretStr | None) -> None:
        keys = secrets(secret)
        given = _header(request, self.header)
        has_prefix = given[: len(self.prefix)].lower() == self.prefix.lower()
        offered = [_bytes(given[len(self.prefix) :].strip())] if has_prefix else []
        _require(offered, keys, self.header)


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """A user and a password, as a vendor sends them that lets you choose them (Pipedrive)."""

    user: str

    def check(self, request: Pushed, secret: SecretStr | None) -> None:
        keys = secrets(secret)
        kind, _, encoded = _header(request, "authorization").partition(" ")
        try:
            decoded = base64.b64decode(encoded.strip(), validate=True)
        except (ValueError, binascii.Error):
            decoded = b""
        offered = [decoded] if kind.lower() == "basic" else []
        _require(offered, [_bytes(self.user) + b":" + key for key in keys], "authorization")


@dataclass(frozen=True, slots=True)
class BodyToken:
    """The secret itself in a field of the body, which is JSON or a form (Mattermost)."""

    field: str = "token"

    def check(self, request: Pushed, secret: SecretStr | None) -> None:
        keys = secrets(secret)
        try:
            body = request.form() if request.media.endswith("-urlencoded") else request.json()
        except BadRecord as error:
            raise PushRefused(error.message) from None
        given = body.get(self.field) if isinstance(body, Mapping) else None
        offered = [_bytes(given)] if isinstance(given, str) else []
        _require(offered, keys, f"the body's {self.field}")


Scheme: TypeAlias = Hmac | Digest | StandardWebhooks | Token | BasicAuth | BodyToken


def secrets(secret: SecretStr | None) -> list[bytes]:
    """Read one secret, or the two of a rotation. Raises TakesNoPushes where there is none."""
    whole = secret.get_secret_value() if secret is not None else ""
    if not whole:
        raise TakesNoPushes("no secret is set that would tell this source's pushes from others")
    parts = whole.split(" ")
    both = parts if len(parts) > 1 and all(len(part) >= SHORTEST for part in parts) else []
    return [_bytes(one) for one in (whole, *both)]


def is_secret(offered: str, secret: SecretStr | None) -> bool:
    """Compare a text that was sent with the secret (Graph's `clientState`, in each item)."""
    return _matches([_bytes(offered)], secrets(secret))


def moment(timestamp: str) -> datetime | None:
    """Read a time as vendors sign it: seconds or milliseconds since 1970, or ISO."""
    try:
        if timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 14:
            seconds, thousandth = int(timestamp), len(timestamp) > 11
            return datetime.fromtimestamp(seconds / 1000 if thousandth else seconds, UTC)
        at = datetime.fromisoformat(timestamp)
    except (ValueError, OverflowError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


_KNOWN = ", ".join(f"{{{name}}}" for name in (*_PARTS, "timestamp"))


def _fill(signed: str, request: Pushed, timestamp: str | None, tolerance: timedelta) -> bytes:
    """Put together what was signed, from the bytes that came."""
    stamp = b""
    if timestamp is not None:
        given = _header(request, timestamp)
        at = moment(given)
        if at is None:
            raise PushRefused(f"{timestamp} is no time")
        if abs(request.received_at - at) > tolerance:
            raise PushRefused(f"{timestamp} is too far from now: an old request, or a wrong clock")
        stamp = _bytes(given)
    pieces = _PLACE.split(signed)  # texts, and between them the names of places
    return b"".join(
        _bytes(piece)
        if index % 2 == 0
        else stamp
        if piece == "timestamp"
        else _PARTS[piece](request)
        for index, piece in enumerate(pieces)
    )


def _header(request: Pushed, name: str) -> str:
    if not (given := request.headers.get(name.lower())):
        raise PushRefused(f"the header {name} is missing")
    return given


def _written(digest: bytes, encoding: Encoding) -> bytes:
    return digest.hex().encode() if encoding == "hex" else base64.b64encode(digest)


def _require(offered: Sequence[bytes], made: Sequence[bytes], where: str) -> None:
    if not _matches(offered, made):
        raise PushRefused(f"{where} was not made of this request by the secret of this source")


def _matches(offered: Sequence[bytes], made: Sequence[bytes]) -> bool:
    # Every pair is compared, so that the time tells nothing about which one was right; as text,
    # for base64 has several spellings of the same bytes.
    matches = [hmac.compare_digest(one, other) for one in offered for other in made]
    return any(matches)


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
