"""A provider as it describes itself: its places, and the keys that it signs with now."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson

from hub.connector import Http
from hub.declared import OidcTable, is_safe
from hub.errors import Code, Refused, SourceError, SourceMisbehaved
from hub.http import Clients, Timeouts
from hub.oidc.tokens import Header, refused

if TYPE_CHECKING:
    import jwt

WELL_KNOWN = ".well-known/openid-configuration"
FRESH = 15 * 60.0  # seconds after which the keys are fetched anew, while those here are used
STALE = 24 * 3600.0  # seconds for which they are used though the provider does not answer
AGAIN = 10.0  # seconds between two fetches, whatever unknown keys tokens name
LARGEST = 512 * 1024
SMALLEST_RSA = 2048  # bits
WITHIN = Timeouts(timedelta(seconds=5), timedelta(seconds=5), timedelta(seconds=10))

# What kind of key makes a signature, and on which curve.
_KINDS = {"RS": ("RSA", None), "PS": ("RSA", None)}
_CURVES = {
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Published:
    """What the provider said at a time of the loop's clock."""

    at: float
    places: Mapping[str, Any]
    keys: tuple[Mapping[str, Any], ...]
    made: dict[Header, "jwt.PyJWK"] = field(default_factory=dict)


class Provider:
    """Fetches what the provider publishes: once for everybody who waits, and not too often."""

    def __init__(self, oidc: OidcTable, clients: Clients) -> None:
        self.oidc = oidc
        self._clients = clients
        self._published: Published | None = None
        self._asking: asyncio.Future[None] | None = None
        self._asked_at = float("-inf")

    async def key(self, header: Header) -> "jwt.PyJWK":
        """Give the key that a token was signed with, if it was. Raises Refused."""
        published = await self._newest()
        key = _key(published, header)
        if key is None and (newer := await self._ask_again(published)) is not None:
            key = _key(newer, header)
        if key is None:
            raise refused(
                "The token is signed with a key that the provider does not publish",
                "Get another token; where the keys have just changed, try again in a few seconds",
            )
        return key

    async def place(self, name: str) -> str:
        """Give an address that the provider publishes. Raises Refused."""
        url = (await self._newest()).places.get(name)
        if not isinstance(url, str) or not is_safe(url, self.oidc.issuer):
            logger.error("the sign-in provider publishes no safe place", extra={"place": name})
            raise unavailable()
        return url

    async def takes_basic(self) -> bool:
        """Tell whether a program's secret goes into Authorization, as it does unless told."""
        ways = (await self._newest()).places.get("token_endpoint_auth_methods_supported")
        return not isinstance(ways, list) or "client_secret_basic" in ways

    async def fetch(self) -> Published:
        """Read everything now. Raises SourceError: why that cannot be."""
        issuer = self.oidc.issuer
        places = await self._document(f"{issuer.rstrip('/')}/{WELL_KNOWN}")
        if places.get("issuer") != issuer:
            raise SourceMisbehaved(
                f"{issuer} describes another issuer, {str(places.get('issuer'))[:200]!r}",
                "Write under [oidc] the issuer exactly as the provider does",
            )
        url = places.get("jwks_uri")
        if not isinstance(url, str) or not is_safe(url, issuer):
            raise SourceMisbehaved(f"{issuer} names no https:// address for its keys (jwks_uri)")
        found = (await self._document(url)).get("keys")
        keys = tuple(one for one in found if _signs(one)) if isinstance(found, list) else ()
        if not keys:
            raise SourceMisbehaved(f"{issuer} publishes no key that a token could be signed with")
        return Published(asyncio.get_running_loop().time(), places, keys)

    async def _newest(self) -> Published:
        """Give what is known; where nothing is, or it is too old, ask first. Raises Refused."""
        clock = asyncio.get_running_loop().time
        known = self._published
        if known is None or clock() - known.at > STALE:
            known = await self._ask_again(known)
            if known is None or clock() - known.at > STALE:
                raise unavailable()
        elif clock() - known.at > FRESH:
            if clock() - self._asked_at > 2 * FRESH:
                # Nobody has come for long: a key may have been withdrawn since.
                return await self._ask_again(known) or known
            self._ask()  # nobody waits for it
        return known

    async def _ask_again(self, known: Published | None) -> Published | None:
        """Wait for an answer of after `known`, unless one was asked for a moment ago."""
        asking = self._ask()
        if asking is not None and self._published is known:
            # It goes on though who waits is cancelled: a request is never broken off.
            await asyncio.shield(asking)
        return self._published

    def _ask(self) -> asyncio.Future[None] | None:
        clock = asyncio.get_running_loop().time
        if self._asking is None and clock() - self._asked_at >= AGAIN:
            self._asked_at = clock()
            self._asking = asyncio.ensure_future(self._renew())  # noqa: TID251 - outlives who asks
        return self._asking

    async def _renew(self) -> None:
        try:
            self._published = await self.fetch()
        except SourceError as error:
            logger.warning("the sign-in provider cannot be read", extra={"error": str(error)})
        except Exception:
            # Whoever waits is told that it is unavailable; only here is it known why.
            logger.exception("reading the sign-in provider failed")
        finally:
            self._asking = None

    async def _document(self, url: str) -> Mapping[str, Any]:
        answer = await self._clients.api(Http(url), timeout=WITHIN).fetch()
        if len(answer.content) > LARGEST:
            raise SourceMisbehaved(f"{url} is larger than {LARGEST // 1024} KiB")
        try:
            read = orjson.loads(answer.content)
        except ValueError:
            read = None
        if not isinstance(read, dict):
            raise SourceMisbehaved(f"{url} is no JSON object")
        return read


def unavailable() -> Refused:
    return Refused(
        Code.UNAVAILABLE, "The sign-in provider cannot be asked right now", "Try again shortly"
    )


def _signs(key: Any) -> bool:
    """Tell whether a published key is a public one that checks signatures."""
    if not isinstance(key, dict) or key.get("kty") not in {"RSA", "EC", "OKP"}:
        return False
    operations = key.get("key_ops")
    return key.get("use", "sig") == "sig" and (
        operations is None or (isinstance(operations, list) and "verify" in operations)
    )


def _key(published: Published, header: Header) -> "jwt.PyJWK | None":
    """Find the key of a token; one that names none is signed with the only one there is."""
    import jwt  # noqa: PLC0415 - see hub.oidc.tokens

    if (made := published.made.get(header)) is not None:
        return made
    found = [one for one in published.keys if _fits(one, header)]
    if header.key is None and len(found) > 1:
        raise refused("The token does not say which key it is signed with")
    for one in found:
        try:
            key = jwt.PyJWK(dict(one), algorithm=header.algorithm)
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            logger.warning(
                "a key of the provider cannot be read", extra={"error": str(error)[:200]}
            )
            continue
        if getattr(key.key, "key_size", SMALLEST_RSA) >= SMALLEST_RSA or one["kty"] != "RSA":
            published.made[header] = key
            return key
    return None


def _fits(key: Mapping[str, Any], header: Header) -> bool:
    kind, curve = _CURVES.get(header.algorithm) or _KINDS[header.algorithm[:2]]
    return (
        key["kty"] == kind
        and (curve is None or key.get("crv") == curve)
        and key.get("alg", header.algorithm) == header.algorithm
        and (header.key is None or key.get("kid") == header.key)
    )
