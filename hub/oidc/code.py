"""Signing in by a browser: the authorization-code flow with PKCE, a state and a nonce.

https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth, RFC 7636, RFC 9207.
"""

import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Any
from urllib.parse import quote_plus, urlencode

import orjson
from pydantic import SecretStr

from hub.connector import Basic, Http
from hub.declared import OidcTable
from hub.errors import AuthFailed, SourceError, SourceMisbehaved
from hub.http import Clients
from hub.oidc.provider import LARGEST, WITHIN, Provider, logger, unavailable
from hub.oidc.tokens import read_header, refused, verify

AGAIN = "Sign in again"


@dataclass(frozen=True, slots=True)
class Flow:
    """What a browser keeps while it is at the provider, under the hub's signature."""

    state: str
    nonce: str
    verifier: str


def begin(oidc: OidcTable, place: str, back: str) -> tuple[str, Flow]:
    flow = Flow(*(secrets.token_urlsafe(32) for _ in range(3)))
    asked = {
        "response_type": "code",
        "client_id": oidc.client or "",
        "redirect_uri": back,
        "scope": " ".join(oidc.request),
        "state": flow.state,
        "nonce": flow.nonce,
        "code_challenge": challenge(flow.verifier),
        "code_challenge_method": "S256",
    }
    return f"{place}{'&' if '?' in place else '?'}{urlencode(asked)}", flow


def challenge(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


async def finish(
    provider: Provider, clients: Clients, flow: Flow, code: str, back: str
) -> dict[str, Any]:
    """Exchange the code for an ID token; give its claims. Raises Refused."""
    oidc = provider.oidc
    assert oidc.client is not None
    place = await provider.place("token_endpoint")
    try:
        token = await _exchange(
            provider,
            clients,
            place,
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": back,
                "code_verifier": flow.verifier,
            },
        )
    except AuthFailed as error:
        logger.error("the provider does not know this hub", extra={"error": str(error)})
        raise unavailable() from None
    except SourceMisbehaved as error:
        # 400 invalid_grant: the code was used before, or is not for this browser.
        logger.warning("the provider gives no token for a code", extra={"error": str(error)})
        raise refused("The provider did not confirm the sign-in", AGAIN) from None
    except SourceError as error:
        logger.warning("the provider cannot be asked for a token", extra={"error": str(error)})
        raise unavailable() from None
    header = read_header(token, oidc.algorithms)
    claims = verify(token, header, await provider.key(header), oidc, [oidc.client])
    given = claims.get("nonce")
    if not isinstance(given, str) or not compare_digest(given.encode(), flow.nonce.encode()):
        raise refused("The sign-in is not the one that this browser began", AGAIN)
    others = claims["aud"] if isinstance(claims["aud"], list) else []
    if claims.get("azp", oidc.client if len(others) < 2 else None) != oidc.client:
        raise refused("The sign-in is meant for another program", AGAIN)
    return claims


async def _exchange(provider: Provider, clients: Clients, place: str, form: dict[str, str]) -> str:
    oidc = provider.oidc
    assert oidc.client is not None
    auth = None
    if oidc.client_secret is None:
        form["client_id"] = oidc.client
    elif await provider.takes_basic():
        # Encoded before they are joined: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
        secret = SecretStr(quote_plus(oidc.client_secret.get_secret_value()))
        auth = Basic(quote_plus(oidc.client), secret)
    else:
        form |= {"client_id": oidc.client, "client_secret": oidc.client_secret.get_secret_value()}
    answer = await clients.api(Http(place, auth=auth), timeout=WITHIN).send(
        "POST",
        content=urlencode(form).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
    )
    try:
        read = orjson.loads(answer.content) if len(answer.content) <= LARGEST else None
    except ValueError:
        read = None
    token = read.get("id_token") if isinstance(read, dict) else None
    if not isinstance(token, str):
        raise SourceMisbehaved("it answered without an ID token")
    return token
