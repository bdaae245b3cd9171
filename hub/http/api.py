"""The client of one endpoint that a connector is handed."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import httpx2
import orjson

from hub.connector import Answer, Budget, ClientCredentials, Http, Login, RefreshToken, Tokens
from hub.errors import AddressRefused, AuthFailed, RateLimited, SourceError, SourceMisbehaved
from hub.hidden import hide
from hub.http.answers import decode, judge
from hub.http.exchange import exchange
from hub.http.guard import parse, port_of
from hub.http.limits import pause_after
from hub.http.network import Pool, Timeouts
from hub.http.secrets import headers_of, secrets_of
from hub.http.sign_in import SignedIn

_JSON = "application/json"
LONGEST_PAUSE = timedelta(hours=1)
"""Of a whole account: what one refusal said may be a mistake, and then one call finds out."""

T = TypeVar("T")


class HttpApi:
    """Implements hub.connector.Api. Nothing that it says or raises holds a secret."""

    def __init__(
        self,
        endpoint: Http,
        pool: Pool,
        *,
        budgets: Sequence[tuple[str, Budget]],
        timeouts: Timeouts,
        tokens: Tokens,
    ) -> None:
        self._endpoint = endpoint
        self._pool = pool
        self._budgets = budgets
        self._timeouts = timeouts
        try:
            self._base = parse(endpoint.url)
        except AddressRefused as error:
            raise SourceMisbehaved(f"The endpoint's URL: {error.message}") from None
        self._secrets = tuple(sorted(secrets_of(endpoint), key=len, reverse=True))
        hide(*self._secrets)
        self._headers = headers_of(endpoint, self._base.host)
        self._signed_in: SignedIn | None = None
        if isinstance(endpoint.auth, ClientCredentials | RefreshToken | Login):
            self._signed_in = SignedIn(endpoint, endpoint.auth, pool, tokens)

    def __repr__(self) -> str:
        return f"<HttpApi {self._base.host}>"

    async def get(self, path: str = "", /, **params: Any) -> Any:
        async def ask() -> Any:
            return self._read(await self._ask("GET", path, params=params, accept=_JSON))

        return await self._signed(ask)

    async def post(self, path: str, /, json: Any) -> Any:
        content, kind = orjson.dumps(json), {"Content-Type": _JSON}

        async def ask() -> Any:
            return self._read(await self._ask("POST", path, content, headers=kind, accept=_JSON))

        return await self._signed(ask)

    async def fetch(
        self,
        path: str = "",
        /,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        async def ask() -> Answer:
            return await self._ask("GET", path, params=params, headers=headers, unchanged=True)

        return await self._signed(ask)

    async def send(
        self,
        method: str,
        path: str = "",
        /,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        async def ask() -> Answer:
            return await self._ask(method, path, content, headers=headers)

        return await self._signed(ask)

    async def _signed(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask, and where the token is refused once more with another."""
        if self._signed_in is None:
            return await ask()
        await self._signed_in.ready()
        try:
            return await ask()
        except AuthFailed as error:
            if error.status == 403:
                raise  # it lets in, though not there: another would not either
        await self._signed_in.renew()
        return await ask()

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
        if self._signed_in is not None:
            sent.update(self._signed_in.headers())
        budgets = self._budgets_of(url)
        await self._take(budgets)
        answer = await exchange(
            self._pool, method, url, headers=sent, content=content, timeouts=self._timeouts
        )
        refusal = None
        if not (unchanged and answer.status == 304):
            refusal = judge(
                answer.status,
                answer.headers,
                answer.body,
                host=host,
                path=url.path,
                clean=self._clean,
            )
        await _heed(refusal, answer.headers, budgets)
        if refusal is not None:
            raise refusal
        if answer.status == 304:
            return Answer(answer.status, answer.headers, b"", str(url))
        if not answer.whole:
            raise SourceMisbehaved(f"{host} sent more than 16 MiB")
        return Answer(answer.status, answer.headers, answer.body, str(url))

    def _budgets_of(self, url: httpx2.URL) -> list[Budget]:
        """List the budgets that a call counts for: that of its path, then the account's."""
        path = url.path.removeprefix(self._base.path.rstrip("/")).lstrip("/")
        own = [budget for below, budget in self._budgets if path.startswith(below)]
        return own if len(own) < 2 else [own[0], own[-1]]

    async def _take(self, budgets: Sequence[Budget]) -> None:
        for budget in budgets:
            try:
                await budget.take()
            except RateLimited as error:
                words = f"{self._base.host} is asked no more: {error.message}"
                raise RateLimited(words, error.retry_after) from None

    def _read(self, answer: Answer) -> Any:
        if answer.status in {204, 205}:
            return None
        read = decode(answer.content, answer.headers, host=self._base.host, clean=self._clean)
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
        return self._signed_in.clean(text) if self._signed_in is not None else text


async def _heed(
    refusal: SourceError | None, headers: Mapping[str, str], budgets: Sequence[Budget]
) -> None:
    """Let all who call with this account know of a limit that is reached."""
    wait = None
    if isinstance(refusal, RateLimited):
        wait = refusal.retry_after
    elif refusal is None:
        wait = pause_after(headers, now=datetime.now(UTC))
    if wait is not None and budgets:
        await budgets[0].pause(min(wait, LONGEST_PAUSE))


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
