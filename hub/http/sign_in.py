"""Tokens: obtained with what is configured, renewed shortly before they end and after a 401."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from hashlib import scrypt
from typing import Any, TypeAlias
from urllib.parse import quote_plus, urlencode

import httpx2
import orjson

from hub.connector import ClientCredentials, Grant, Http, Login, RefreshToken, SecretStr, Tokens
from hub.errors import (
    AddressRefused,
    AuthFailed,
    RateLimited,
    SourceError,
    SourceMisbehaved,
    SourceUnavailable,
)
from hub.http.answers import judge
from hub.http.exchange import AGENT, Exchange, exchange
from hub.http.guard import parse
from hub.http.network import Pool, Timeouts
from hub.http.said import Clean, message_of
from hub.http.secrets import basic, can_be_sent
from hub.signals import now

Granting: TypeAlias = ClientCredentials | RefreshToken | Login

EARLY = timedelta(minutes=1)
"""So long before a token ends it is renewed; of a short-lived one, at nine tenths of its life."""
# The lease of who renews (hub/store/tokens.py) is longer.
PATIENCE = Timeouts(total=timedelta(seconds=30))

# https://www.rfc-editor.org/rfc/rfc6749#section-5.2 and 4.1.2.1; "unknown_error" is Salesforce's
# "retry your request".
_LATER = frozenset({"temporarily_unavailable", "server_error", "slow_down", "unknown_error"})


class LocalTokens:
    """Tokens of one process, gone with it: enough where the configured secret brings another.

    Implements hub.connector.Tokens.
    """

    def __init__(self) -> None:
        self._tokens: dict[str, Grant] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    async def current(self, account: str) -> Grant | None:
        return self._tokens.get(account)

    async def renewed(
        self, account: str, stale: Grant | None, obtain: Callable[[Grant | None], Awaitable[Grant]]
    ) -> Grant:
        async with self._turns.setdefault(account, asyncio.Lock()):
            last = self._tokens.get(account)
            if last is None or last == stale:
                self._tokens[account] = last = await obtain(last)
            return last


class SignedIn:
    """The token that the requests of one client carry. Raises SourceErrors."""

    def __init__(self, endpoint: Http, auth: Granting, pool: Pool, tokens: Tokens) -> None:
        self._endpoint = endpoint
        self._auth = auth
        self._pool = pool
        self._tokens = tokens
        self._account = account_of(endpoint, auth)
        self._token: Grant | None = None

    @property
    def access(self) -> str:
        assert self._token is not None, "`ready` comes first"
        return self._token.access

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}

    async def ready(self) -> None:
        """Have a token that lets in as far as can be known."""
        if self._token is None:
            self._token = await self._tokens.current(self._account)
        if self._token is None or _is_over(self._token):
            await self.renew()

    async def renew(self) -> None:
        """Have another token than this one, which is over or was refused."""
        self._token = await self._tokens.renewed(self._account, self._token, self._obtain)

    def clean(self, text: str) -> str:
        """Take the token out of a text.

        Not by hub.hidden, which never forgets: a token of an hour would be known for years.
        """
        for secret in (self._token.access, self._token.refresh) if self._token else ():
            text = text.replace(secret, "…") if secret else text
        return text

    async def _obtain(self, last: Grant | None) -> Grant:
        match self._auth:
            case ClientCredentials():
                return await self._granted(self._auth, {"grant_type": "client_credentials"}, None)
            case RefreshToken(refresh_token=first):
                refresh = (last.refresh if last else None) or first.get_secret_value()
                form = {"grant_type": "refresh_token", "refresh_token": refresh}
                return await self._granted(self._auth, form, refresh)
            case Login():
                return await self._logged_in(self._auth, last)

    async def _granted(
        self, auth: ClientCredentials | RefreshToken, form: dict[str, str], refresh: str | None
    ) -> Grant:
        """Ask a token endpoint. A refresh token that is not replaced stays in force."""
        secret = auth.client_secret.get_secret_value() if auth.client_secret else None
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        form |= auth.extra
        if auth.scopes:
            form["scope"] = " ".join(auth.scopes)
        if secret is not None and not auth.client_in_body:
            # Encoded before they are joined: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
            pair = basic(quote_plus(auth.client_id), quote_plus(secret))
            headers["Authorization"] = f"Basic {pair}"
        else:
            form["client_id"] = auth.client_id
            if secret is not None:
                form["client_secret"] = secret
        secrets = tuple(filter(None, (secret, refresh)))
        body = await self._ask(auth.token_url, urlencode(form).encode(), headers, secrets)
        return self._read(body, "access_token", "refresh_token", kept=refresh)

    async def _logged_in(self, auth: Login, last: Grant | None) -> Grant:
        """Renew a session, or begin one where there is none or it is over."""
        if auth.renew is not None and last is not None and last.refresh is not None:
            url, headers = self._url(auth.renew), {"Authorization": f"Bearer {last.refresh}"}
            try:
                body = await self._ask(url, b"", headers, (last.refresh,))
            except AuthFailed:
                pass  # it is over too
            else:
                return self._read(body, auth.access, auth.refresh, kept=last.refresh)
        given = {
            name: part.get_secret_value() if isinstance(part, SecretStr) else part
            for name, part in auth.body.items()
        }
        headers = {"Content-Type": "application/json"}
        body = await self._ask(
            self._url(auth.path), orjson.dumps(given), headers, tuple(given.values())
        )
        return self._read(body, auth.access, auth.refresh, kept=None)

    def _url(self, path: str) -> str:
        return f"{self._endpoint.url.partition('?')[0].rstrip('/')}/{path.lstrip('/')}"

    async def _ask(
        self, url: str, content: bytes, headers: Mapping[str, str], secrets: tuple[str, ...]
    ) -> Mapping[str, Any]:
        try:
            where = parse(url)
        except AddressRefused as error:
            raise SourceMisbehaved(f"The address of the sign-in: {error.message}") from None
        sent = httpx2.Headers({"Accept": "application/json", "User-Agent": AGENT, **headers})
        answer = await exchange(
            self._pool, "POST", where, headers=sent, content=content, timeouts=PATIENCE
        )

        def clean(text: str) -> str:
            for secret in secrets:
                text = text.replace(secret, "…")
            return text

        return _accepted(answer, where, clean)

    def _read(
        self, body: Mapping[str, Any], access: str, refresh: str, *, kept: str | None
    ) -> Grant:
        token = body.get(access)
        host = httpx2.URL(self._endpoint.url).host
        if not isinstance(token, str) or not token or not can_be_sent(token):
            raise SourceMisbehaved(f"The sign-in for {host} succeeded, but it gave no {access}")
        next_ = body.get(refresh)
        return Grant(
            access=token,
            refresh=next_ if isinstance(next_, str) and next_ else kept,
            renew_at=_renew_at(body.get("expires_in"), token),
        )


def account_of(endpoint: Http, auth: Granting) -> str:
    """Name a sign-in: the same in every process, and no way back to its secrets.

    Another refresh token that is configured is another name: so it counts, and not those that
    followed the one before.
    """
    match auth:
        case Login():
            parts = [endpoint.url, auth.path, *_plain(auth.body)]
        case ClientCredentials():
            parts = [auth.token_url, auth.client_id, *auth.scopes, *_plain(auth.extra)]
            parts.append(auth.client_secret.get_secret_value())
        case RefreshToken():
            parts = [auth.token_url, auth.client_id, *auth.scopes, *_plain(auth.extra)]
            parts.append(auth.refresh_token.get_secret_value())
    told = "\n".join((type(auth).__name__, *parts)).encode()
    # Slow on purpose: the name is stored, and a password could be guessed from a quick hash.
    return scrypt(told, salt=b"hub-tokens", n=2**13, r=8, p=1, dklen=16).hex()


def _plain(fields: Mapping[str, str | SecretStr]) -> list[str]:
    return [
        f"{name}={part.get_secret_value() if isinstance(part, SecretStr) else part}"
        for name, part in sorted(fields.items())
    ]


def _accepted(answer: Exchange, where: httpx2.URL, clean: Clean) -> Mapping[str, Any]:
    """Read the answer of a sign-in, or raise what its refusal means."""
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        body = None
    fields: Mapping[str, Any] = body if isinstance(body, dict) else {}
    # GitHub and Slack refuse with 200: {"error": "bad_refresh_token"}, {"ok": false, "error": ...}
    if 200 <= answer.status < 300 and not fields.get("error"):
        return fields
    raise _refusal(answer, fields, where, clean)


def _refusal(
    answer: Exchange, fields: Mapping[str, Any], where: httpx2.URL, clean: Clean
) -> SourceError:
    code, said = str(fields.get("error") or ""), message_of(answer.body, clean)
    told = ": ".join(dict.fromkeys(filter(None, (clean(code)[:80], said))))
    words = f"{where.host} refuses the sign-in: {told or f'it answers {answer.status}'}"
    status = 400 if 200 <= answer.status < 300 else answer.status
    judged = judge(
        status, answer.headers, answer.body, host=where.host, path=where.path, clean=clean
    )
    if code in _LATER:
        return SourceUnavailable(words)
    if isinstance(judged, RateLimited | SourceUnavailable):
        return judged
    if "rate exceeded" in said.lower():  # Salesforce: invalid_grant, "login rate exceeded"
        return RateLimited(words)
    if status in {400, 401, 403}:
        return AuthFailed(words, "Renew what it signs in with", status=status)
    return judged or SourceMisbehaved(words, status=status)


def _is_over(token: Grant) -> bool:
    return token.renew_at is not None and token.renew_at <= now()


def _renew_at(expires_in: object, token: str) -> datetime | None:
    """Say when to renew, by what the vendor says or else by the token itself, if it is a JWT."""
    try:
        lifetime = float(str(expires_in))  # some send it as text
    except ValueError:
        lifetime = _lifetime_of(token)
    if not 0 < lifetime < 10 * 365 * 86400:  # also what is no number
        return None
    left = timedelta(seconds=lifetime)
    return now() + max(left - EARLY, left * 0.9)


def _lifetime_of(token: str) -> float:
    """Read how long a JWT lives from its issue on: by the vendor's clock, at both ends."""
    try:
        part = token.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return float(claims["exp"]) - float(claims["iat"])
    except (LookupError, TypeError, ValueError):
        return 0.0
