"""The client of one endpoint that a connector is handed."""

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx2
import orjson

from hub.connector import Answer, Basic, Bearer, Budget, Header, Http
from hub.errors import (
    AddressRefused,
    AuthFailed,
    SourceMisbehaved,
    SourceUnavailable,
)
from hub.hidden import SIGNS_IN, hide
from hub.http.answers import decode, judge, read_body
from hub.http.guard import parse, port_of
from hub.http.network import NoAnswer, Pool, Timeouts

_JSON = "application/json"
LARGEST_BODY = 16 * 1024 * 1024
_TELLING = re.compile(rf"{SIGNS_IN.pattern}|sig", re.IGNORECASE)
AGENT = "team-signals-hub"


class HttpApi:
    """Implements hub.connector.Api. Nothing that it says or raises holds a secret."""

    def __init__(
        self, endpoint: Http, pool: Pool, *, budget: Budget | None, timeouts: Timeouts
    ) -> None:
        self._endpoint = endpoint
        self._pool = pool
        self._budget = budget
        self._timeouts = timeouts
        try:
            self._base = parse(endpoint.url)
        except AddressRefused as error:
            raise SourceMisbehaved(f"The endpoint's URL: {error.message}") from None
        self._secrets = tuple(sorted(secrets_of(endpoint), key=len, reverse=True))
        hide(*self._secrets)
        self._headers = _headers(endpoint, self._base.host)

    def __repr__(self) -> str:
        return f"<HttpApi {self._base.host}>"

    async def get(self, path: str = "", /, **params: Any) -> Any:
        return self._read(await self._ask("GET", path, params=params, accept=_JSON))

    async def post(self, path: str, /, json: Any) -> Any:
        content, kind = orjson.dumps(json), {"Content-Type": _JSON}
        return self._read(await self._ask("POST", path, content, headers=kind, accept=_JSON))

    async def fetch(
        self,
        path: str = "",
        /,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        return await self._ask("GET", path, params=params, headers=headers, unchanged=True)

    async def _ask(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        accept: str = "*/*",
        unchanged: bool = False,
    ) -> Answer:
        url, host = self._url(path, params or {}), self._base.host
        sent = httpx2.Headers({"Accept": accept})
        sent.update(self._headers)
        sent.update(headers)
        if self._budget is not None:
            await self._budget.take()
        try:
            async with self._pool.stream(
                method, url, headers=sent, content=content, timeouts=self._timeouts
            ) as response:
                body, whole = await read_body(response, LARGEST_BODY)
        except NoAnswer as error:
            raise SourceUnavailable(f"{host} {error}") from None
        except AddressRefused as error:
            raise SourceMisbehaved(f"{host} is not called: {error.message}") from None
        except httpx2.DecodingError:
            raise SourceMisbehaved(f"{host} answered with a damaged compression") from None
        status = response.status_code
        if unchanged and status == 304:
            return Answer(status, response.headers, b"", str(url))
        if refusal := judge(
            status, response.headers, body, host=host, path=url.path, clean=self._clean
        ):
            raise refusal
        if not whole:
            raise SourceMisbehaved(f"{host} sent more than 16 MiB")
        return Answer(status, response.headers, body, str(url))

    def _read(self, answer: Answer) -> Any:
        if answer.status in {204, 205}:
            return None
        read = decode(answer.content, answer.headers, host=self._base.host)
        if self._endpoint.says_no is not None and (refusal := self._endpoint.says_no(read)):
            refusal.message = self._clean(refusal.message)
            refusal.args = (refusal.message,)
            raise refusal
        return read

    def _url(self, path: str, params: Mapping[str, Any]) -> httpx2.URL:
        """Join a path under the endpoint's URL, or take a whole link if it stays on its host."""
        whole = path.lower().startswith(("http://", "https://"))
        text = path if whole else _join(self._endpoint.url, path)
        try:
            url = parse(text)
        except AddressRefused as error:
            raise SourceMisbehaved(f"{self._base.host}: next page at a bad URL: {error}") from None
        if (url.scheme, url.host, port_of(url)) != (
            self._base.scheme,
            self._base.host,
            port_of(self._base),
        ):
            raise SourceMisbehaved(f"{self._base.host}: next page on another host, {url.host}")
        given: list[tuple[str, str | int | float | bool | None]] = [
            pair for name, value in params.items() for pair in _pairs(name, value)
        ]
        return url.copy_merge_params(httpx2.QueryParams(given)) if given else url

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text


def _join(base: str, path: str) -> str:
    if not path:
        return base
    start, mark, query = base.partition("?")
    if path.startswith("?"):
        return f"{base}&{path[1:]}" if mark else base + path
    joined = f"{start.rstrip('/')}/{path.lstrip('/')}"
    return joined + mark + query if mark and "?" not in path else joined


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    if value is None:
        return []
    if isinstance(value, (list, tuple, set, frozenset)):
        return [pair for item in value for pair in _pairs(name, item)]
    return [(name, _word(name, value))]


def _word(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float, Decimal)):
        return str(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    raise TypeError(f"the parameter {name} cannot be sent as {type(value).__name__}")


def _headers(endpoint: Http, host: str) -> httpx2.Headers:
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
            pair = f"{user}:{password.get_secret_value()}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        case Header(name, value):
            secret = headers[name] = value.get_secret_value()
        case None:
            pass
    if secret != secret.strip() or any(not _can_be_sent(line) for line in headers.values()):
        # Found here: the client's own error would quote the header, secret and all.
        raise AuthFailed(
            f"The sign-in or a header for {host} is empty or holds what a header cannot carry",
            "Often it is a blank or a line break at the end",
        )
    return httpx2.Headers(headers)


def _can_be_sent(line: str) -> bool:
    return line.isascii() and line.isprintable() and line == line.strip()


def secrets_of(endpoint: Http) -> set[str]:
    """List what may not be shown: the sign-in, and headers and parameters that look like one."""
    found = {
        value
        for name, value in (*endpoint.headers.items(), *httpx2.URL(endpoint.url).params.items())
        if _TELLING.search(name)
    }
    match endpoint.auth:
        case Bearer(token):
            found.add(token.get_secret_value())
        case Basic(user, password):
            secret = password.get_secret_value()
            found |= {secret, base64.b64encode(f"{user}:{secret}".encode()).decode()}
        case Header(_, value):
            found.add(value.get_secret_value())
        case None:
            pass
    # "Token token=abc" is also told by its last part.
    parts = {part for secret in found for part in re.split(r"[\s=]+", secret) if len(part) >= 8}
    return {secret for secret in found | parts if secret}
