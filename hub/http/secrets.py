"""What a request signs in with, and what of it may never be shown."""

import base64
import re
from collections.abc import Iterator

import httpx2

from hub.connector import (
    Basic,
    Bearer,
    ClientCredentials,
    Header,
    Http,
    Login,
    RefreshToken,
    SecretStr,
)
from hub.errors import AuthFailed
from hub.hidden import SIGNS_IN
from hub.http.exchange import AGENT

_TELLING = re.compile(rf"{SIGNS_IN.pattern}|sig", re.IGNORECASE)


def headers_of(endpoint: Http, host: str) -> httpx2.Headers:
    """Make the headers of every request. Raises AuthFailed for what a header cannot carry."""
    headers = {
        "Accept-Encoding": "gzip, deflate",
        "User-Agent": AGENT,
        **endpoint.headers,
    }
    secret = ""
    match endpoint.auth:
        case Bearer(token):
            secret = token.get_secret_value()
            headers["Authorization"] = f"Bearer {secret}"
        case Basic(user, password):
            headers["Authorization"] = f"Basic {basic(user, password.get_secret_value())}"
        case Header(name, value):
            secret = headers[name] = value.get_secret_value()
        case _:
            pass  # nothing, or a token that is still to be obtained
    if secret != secret.strip() or any(not can_be_sent(line) for line in headers.values()):
        # Found here: the client's own error would quote the header, secret and all.
        raise AuthFailed(
            f"The sign-in or a header for {host} is empty or holds what a header cannot carry",
            "Often it is a blank or a line break at the end",
        )
    return httpx2.Headers(headers)


def can_be_sent(line: str) -> bool:
    return line.isascii() and line.isprintable() and line == line.strip()


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def secrets_of(endpoint: Http) -> set[str]:
    """List what may not be shown: the sign-in, and headers and parameters that look like one."""
    found = {
        value
        for name, value in (*endpoint.headers.items(), *httpx2.URL(endpoint.url).params.items())
        if _TELLING.search(name)
    }
    found.update(_of_sign_in(endpoint))
    # "Token token=abc" is also told by its last part.
    parts = {part for secret in found for part in re.split(r"[\s=]+", secret) if len(part) >= 8}
    return {secret for secret in found | parts if secret}


def _of_sign_in(endpoint: Http) -> Iterator[str]:
    match endpoint.auth:
        case Bearer(secret) | Header(_, secret):
            yield secret.get_secret_value()
        case Basic(user, secret) | ClientCredentials(client_id=user, client_secret=secret):
            yield from _pair(user, secret)
        case RefreshToken(client_id=user, client_secret=client_secret, refresh_token=first):
            yield first.get_secret_value()
            if client_secret is not None:
                yield from _pair(user, client_secret)
        case Login(body=body):
            yield from (
                part.get_secret_value() for part in body.values() if isinstance(part, SecretStr)
            )
        case None:
            pass


def _pair(user: str, secret: SecretStr) -> Iterator[str]:
    yield secret.get_secret_value()
    yield basic(user, secret.get_secret_value())
