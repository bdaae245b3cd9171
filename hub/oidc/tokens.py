"""A token: what is looked at before its signature, and what must hold after it.

Of the header three things are read, and each only to choose among what the provider publishes: the
algorithm, the key's id, the type. A token can name keys of its own (`jwk`, `jku`, `x5c`, `x5u`);
nobody looks. https://www.rfc-editor.org/rfc/rfc8725
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hub.declared import OidcTable
from hub.errors import Code, Refused

if TYPE_CHECKING:
    import jwt

LARGEST = 16 * 1024
LONGEST_ID = 255
# An access token by RFC 9068, or an ID token. Others are for other purposes: logout, DPoP.
TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")

ANOTHER = "Get another token from your sign-in provider"


@dataclass(frozen=True, slots=True)
class Header:
    algorithm: str
    key: str | None


def is_token(text: str) -> bool:
    """Tell a token of a provider from a key of the hub's, which has no dots."""
    return text.count(".") >= 2


def refused(message: str, suggestion: str = ANOTHER) -> Refused:
    return Refused(Code.UNAUTHENTICATED, message, suggestion)


def read_header(token: str, algorithms: Collection[str]) -> Header:
    """Read what chooses the key. Raises Refused."""
    import jwt  # noqa: PLC0415 - with all of its algorithms: only who has a provider needs it

    if token.count(".") == 4:
        raise refused("The token is encrypted", "Have it signed only: the hub has no key to it")
    if len(token) > LARGEST or not _COMPACT.fullmatch(token):
        raise refused("This is no token of a sign-in provider")
    try:
        head = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise refused("This is no token of a sign-in provider") from None
    algorithm, key, kind = head.get("alg"), head.get("kid"), head.get("typ", "jwt")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        # Whoever could choose "none", or HS256 with a public key as the secret, could sign.
        raise refused(
            "The token is not signed in a way that is accepted here",
            f"Have it signed with one of {', '.join(sorted(algorithms))}",
        )
    if "crit" in head:
        raise refused("The token demands an extension that the hub does not know")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise refused("This token is not for signing in", "Send an access token or an ID token")
    return Header(algorithm, key)


def verify(
    token: str, header: Header, key: "jwt.PyJWK", oidc: OidcTable, audience: Collection[str]
) -> dict[str, Any]:
    """Give the claims of a token that holds. Raises Refused: the first thing that does not."""
    import jwt  # noqa: PLC0415

    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[header.algorithm],  # it is on the list, and the key is made for it
            audience=sorted(audience),
            issuer=oidc.issuer,
            leeway=oidc.skew,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except jwt.ExpiredSignatureError:
        raise refused("The token has expired") from None
    except jwt.ImmatureSignatureError:
        raise refused(
            "The token is not valid yet", "Compare the clocks of the hub and of the provider"
        ) from None
    except jwt.InvalidAudienceError:
        raise refused(
            "The token is for another audience",
            "Ask the provider for one that is meant for the hub",
        ) from None
    except jwt.InvalidIssuerError:
        raise refused("The token is of another issuer") from None
    except jwt.MissingRequiredClaimError as error:
        raise refused(f"The token lacks the claim {error.claim!r}") from None
    except jwt.InvalidSignatureError:
        raise refused("The token's signature is wrong") from None
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        raise refused("The token cannot be read") from None
    who = claims["sub"]
    if not (isinstance(who, str) and who and who.isprintable() and len(who) <= LONGEST_ID):
        raise refused("The token names nobody whom the hub could tell from others")
    return claims


def ends_at(claims: Mapping[str, Any], skew: timedelta) -> datetime:
    """Say until when a token that was verified is taken."""
    try:
        return datetime.fromtimestamp(int(claims["exp"]), UTC) + skew
    except (ValueError, OverflowError, OSError):  # past the year 9999
        return datetime.max.replace(tzinfo=UTC)
