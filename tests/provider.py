"""An OpenID provider on loopback, with state: keys that are replaced, codes that are used up.

Written down from OpenID Connect Core and Discovery 1.0 and RFC 7636; it refuses what they refuse.
"""

import base64
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from time import time
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.servers import serve

CLIENT, SECRET = "hub-dashboard", "between the hub and + its provider"
AUDIENCE = "signals-hub"

# https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata: what is REQUIRED.
REQUIRED = frozenset(
    {
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
    }
)


@cache
def private_key(kind: str, number: int = 0, bits: int = 2048) -> Any:
    """Make a key once: a test may ask for the same again."""
    del number
    if kind == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    curves: dict[str, Any] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
    if kind in curves:
        return ec.generate_private_key(curves[kind]())
    return rsa.generate_private_key(65537, bits)


def public(key: Any, algorithm: str) -> dict[str, Any]:
    made = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    assert isinstance(made, dict)
    return {name: value for name, value in made.items() if name != "key_ops"}


@dataclass(slots=True)
class Provider:
    """`broken`: every answer is this status. `asked`: how often each path was asked for."""

    issuer: str = ""
    keys: dict[str, tuple[Any, str]] = field(default_factory=dict)
    published: list[dict[str, Any]] = field(default_factory=list)
    described: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)  # of who signs in by a browser
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    broken: int | None = None

    def rotate(self, kid: str, algorithm: str = "RS256", *, number: int = 0) -> None:
        """Sign with another key from now on, and publish that one only."""
        key = private_key("RSA" if algorithm[:2] in {"RS", "PS"} else algorithm, number)
        self.keys = {kid: (key, algorithm)}
        self.published = [{**public(key, algorithm), "kid": kid, "use": "sig"}]

    def sign(self, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Sign a token; a claim or a header that is None is left out."""
        [(kid, (key, algorithm))] = self.keys.items()
        at = int(time())
        told = {"iss": self.issuer, "sub": "u-1", "aud": AUDIENCE, "iat": at, "exp": at + 300}
        return sign(key, algorithm, {**told, **claims}, {"kid": kid, **(header or {})})

    def routes(self) -> list[Route]:
        return [
            Route("/realm/.well-known/openid-configuration", self.describe),
            Route("/realm/keys", self.publish),
            Route("/realm/authorize", self.authorize),
            Route("/realm/token", self.token, methods=["POST"]),
        ]

    def count(self, name: str) -> Response | None:
        self.asked[name] = self.asked.get(name, 0) + 1
        return JSONResponse({"error": "broken"}, self.broken) if self.broken else None

    async def describe(self, _: Request) -> Response:
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=acme",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            **self.described,
        }
        return self.count("describe") or JSONResponse(told)

    async def publish(self, _: Request) -> Response:
        return self.count("keys") or JSONResponse({"keys": self.published})

    async def authorize(self, request: Request) -> Response:
        """Send the browser back as if somebody had typed their password."""
        given = dict(request.query_params)
        assert given["tenant"] == "acme"
        assert given["response_type"] == "code"
        assert given["client_id"] == CLIENT
        assert given["code_challenge_method"] == "S256"
        assert "openid" in given["scope"].split()
        assert min(len(given["state"]), len(given["nonce"])) >= 32
        code = secrets.token_urlsafe()
        self.codes[code] = given
        back = urlencode({"code": code, "state": given["state"], "iss": self.issuer})
        return RedirectResponse(f"{given['redirect_uri']}?{back}", 302)

    async def token(self, request: Request) -> Response:
        if broken := self.count("token"):
            return broken
        form = dict(parse_qsl((await request.body()).decode()))
        scheme, _, pair = request.headers.get("authorization", "").partition(" ")
        user, _, password = base64.b64decode(pair).decode().partition(":")
        if (scheme, unquote_plus(user), unquote_plus(password)) != ("Basic", CLIENT, SECRET):
            return JSONResponse({"error": "invalid_client"}, 401)
        known = self.codes.pop(form.get("code", ""), None)
        proof = sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
        if (
            known is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != known["redirect_uri"]
            or challenge != known["code_challenge"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        told: dict[str, Any] = {"aud": CLIENT, "nonce": known["nonce"], **self.claims}
        token = self.sign(**told)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": token})


def sign(key: Any, algorithm: str, claims: dict[str, Any], header: dict[str, Any]) -> str:
    told = {name: value for name, value in claims.items() if value is not None}
    head = {name: value for name, value in header.items() if value is not None}
    return jwt.encode(told, key, algorithm, head)


@asynccontextmanager
async def provider() -> AsyncGenerator[Provider]:
    one = Provider()
    one.rotate("k1")
    async with serve(Starlette(routes=one.routes())) as url:
        one.issuer = f"{url}/realm"
        yield one
