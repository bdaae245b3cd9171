"""The connection pools of one process, for sources and for webhooks."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import scrypt
from types import TracebackType
from typing import Self, TypeAlias

import httpcore2
import httpx2

from hub.connector import Api, Budget, ClientCredentials, Http, Imap, RefreshToken, Tokens
from hub.errors import (
    AddressRefused,
    ConfigError,
    EndpointUnavailable,
    SourceMisbehaved,
    SourceUnavailable,
)
from hub.http.answers import read_body
from hub.http.api import HttpApi
from hub.http.exchange import AGENT
from hub.http.guard import Guard, parse, port_of
from hub.http.limits import LocalBudget, Paced, retry_after
from hub.http.names import Names, Resolver, resolve
from hub.http.network import NoAnswer, Pool, Timeouts, trust, trust_of_http
from hub.http.secrets import secrets_of
from hub.http.sign_in import LocalTokens, SignedIn

SOURCE = Timeouts()
SEND = timedelta(seconds=15)
LARGEST_REPLY = 64 * 1024
KEPT_REPLY = 4 * 1024
SENDS_PER_HOST = 4

# Given a name and the calls that are allowed in a minute.
Budgets: TypeAlias = Callable[[str, int], Budget]


@dataclass(frozen=True, slots=True)
class Sent:
    """The answer to a webhook: `body` is its start."""

    status: int
    body: str
    retry_after: timedelta | None
    latency: timedelta


class _Lane:
    """The sends to one host: so many at once, the rest in line."""

    def __init__(self) -> None:
        self.places = asyncio.Semaphore(SENDS_PER_HOST)
        self.users = 0


class Clients:
    """Every HTTP request of the process goes out through here."""

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ca_file: str | None = None,
        resolver: Resolver | None = None,
        budgets: Budgets | None = None,
        tokens: Tokens | None = None,
    ) -> None:
        self._tls = trust_of_http(ca_file)
        self._ca_file = ca_file
        self._proxy = proxy
        self._names = Names()
        self._resolver = resolver or self._names
        self._sources = self._pool(Guard.operator())
        self._sends: dict[Guard, Pool] = {}
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._make_budget: Budgets = budgets or (lambda _, calls: LocalBudget(calls))
        self._budgets: dict[tuple[object, ...], Budget] = {}
        self._tokens = tokens
        self._held = LocalTokens()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        async with AsyncExitStack() as stack:
            stack.callback(self._names.close)
            for pool in (self._sources, *self._sends.values()):
                stack.push_async_callback(pool.aclose)

    def check(self, endpoint: object, source: str = "a source") -> None:
        """Raise ConfigError for a refresh token without what keeps those that follow it."""
        if (
            self._tokens is None
            and isinstance(endpoint, Http | Imap)
            and isinstance(endpoint.auth, RefreshToken)
        ):
            raise ConfigError(
                f"{source} signs in with a refresh token, and the vendor may replace it at any"
                " time: without HUB_SECRET_KEY the hub cannot keep the new one",
                "Make a key with: hub init",
            )

    def api(
        self, endpoint: Http, *, budget: Budget | None = None, timeout: Timeouts = SOURCE
    ) -> Api:
        """Open an endpoint that the operator configured; without a budget, that of its account.

        Raises ConfigError where its tokens must be kept, and nothing is there to keep them.
        """
        self.check(endpoint)
        budgets = self._budgets_of(endpoint) if budget is None else [("", budget)]
        return HttpApi(
            endpoint,
            self._sources,
            budgets=budgets,
            timeouts=timeout,
            tokens=self._tokens or self._held,
        )

    def _budgets_of(self, endpoint: Http) -> list[tuple[str, Budget]]:
        """Give the budgets of an account: those of paths, the longest first, then that of all."""
        limits: list[tuple[str, int | None]] = [
            (path.lstrip("/"), calls) for path, calls in endpoint.per_minute_at.items()
        ]
        limits = [*sorted(limits, key=lambda one: -len(one[0])), ("", endpoint.per_minute)]
        return [(path, self._budget(endpoint, path, calls)) for path, calls in limits]

    def _budget(self, endpoint: Http, path: str, calls: int | None) -> Budget:
        # Kept here: the minute goes on from one poll to the next.
        key = (endpoint.url, endpoint.auth, path, calls, endpoint.pause)
        budget = self._budgets.get(key)
        if budget is None:
            # What is not counted is only paused, by each process for itself.
            budget = LocalBudget(None)
            if calls is not None:
                name = _account(endpoint) + (f"/{path}" if path else "")
                budget = self._make_budget(name, calls)
            if endpoint.pause is not None and not path:
                budget = Paced(endpoint.pause, budget)
            self._budgets[key] = budget
        return budget

    async def addresses(self, host: str, port: int, *, secure: bool) -> Sequence[str]:
        """Find where to connect to for a host that the operator configured and asks without HTTP.

        The rules are those of `api`. Raises SourceUnavailable or SourceMisbehaved.
        """
        try:
            found = await resolve(self._resolver, host, port, SOURCE.connect.total_seconds())
            for address in found:
                Guard.operator().check(address, port=port, secure=secure)
        except httpcore2.ConnectTimeout:
            raise SourceUnavailable(f"{host} could not be found by its name in time") from None
        except httpcore2.ConnectError as error:
            raise SourceUnavailable(f"{host} {error}") from None
        except AddressRefused as error:
            raise SourceMisbehaved(f"{host} is not called: {error.message}") from None
        return found

    def signed_in(self, host: str, auth: ClientCredentials | RefreshToken) -> SignedIn:
        """Have tokens for a host that is not asked by HTTP: kept and renewed as for all others."""
        tokens = self._tokens or self._held
        return SignedIn(Http(f"https://{host}"), auth, self._sources, tokens)

    @cached_property
    def trusted(self) -> ssl.SSLContext:
        """Whom to trust in protocols that are not HTTP, whose own context offers ALPN."""
        return trust(self._ca_file)

    async def send(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        guard: Guard,
        timeout: timedelta = SEND,  # noqa: ASYNC109 - a deadline is kept, nothing is cancelled
    ) -> Sent:
        """POST one webhook. Every status is an answer, 3xx too: nothing is followed.

        Raises EndpointUnavailable where no whole answer came within the timeout, or where earlier
        sends to this host left no place within the same time again.
        """
        clock = asyncio.get_running_loop().time
        try:
            read = parse(url)
            guard.check_url(url)
        except AddressRefused as error:
            raise EndpointUnavailable(error.message) from None
        sent = httpx2.Headers({"User-Agent": AGENT, "Accept-Encoding": "gzip, deflate"})
        sent.update(headers)
        pool = self._sends.get(guard) or self._sends.setdefault(guard, self._pool(guard))
        async with self._place(read.host, port_of(read), timeout):
            began = clock()
            try:
                async with pool.stream(
                    "POST",
                    read,
                    headers=sent,
                    content=body,
                    timeouts=Timeouts(min(SOURCE.connect, timeout), timeout, timeout),
                    carries_trace=True,
                ) as response:
                    reply, _ = await read_body(response, LARGEST_REPLY)
            except NoAnswer as error:
                raise EndpointUnavailable(f"{read.host} {error}") from None
            except AddressRefused as error:
                raise EndpointUnavailable(f"{read.host} is not called: {error.message}") from None
            except httpx2.DecodingError:
                reply = b""  # the status stands; only the excerpt of the body is lost
        return Sent(
            response.status_code,
            reply[:KEPT_REPLY].decode(errors="replace"),
            retry_after(response.headers, now=datetime.now(UTC)),
            timedelta(seconds=clock() - began),
        )

    def _pool(self, guard: Guard) -> Pool:
        return Pool(guard, tls=self._tls, proxy=self._proxy, resolver=self._resolver)

    @asynccontextmanager
    async def _place(self, host: str, port: int, within: timedelta) -> AsyncGenerator[None]:
        key = (host, port)
        lane = self._lanes.setdefault(key, _Lane())
        lane.users += 1
        try:
            try:
                async with asyncio.timeout(within.total_seconds()):
                    await lane.places.acquire()
            except TimeoutError:
                raise EndpointUnavailable(
                    f"{host} still holds {SENDS_PER_HOST} earlier deliveries"
                ) from None
            try:
                yield
            finally:
                lane.places.release()
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[key]


def _account(endpoint: Http) -> str:
    """Name an account at an API: the same in every process, and no way back to its secret."""
    told = "\n".join((endpoint.url, *sorted(secrets_of(endpoint)))).encode()
    # Slow on purpose: the name is stored, and a password could be guessed from a quick hash.
    return scrypt(told, salt=b"hub-budget", n=2**13, r=8, p=1, dklen=16).hex()
