"""Connections: where the guard is asked and where an attempt's time runs out.

Built from httpcore2's public pool and network backend: httpx2's client has no public way to take
a backend, keeps one cookie jar for all sources, and logs whole URLs. Of httpx2 we use its URLs,
headers and decoders.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import httpcore2
import httpx2

from hub import traces
from hub.errors import ConfigError
from hub.hidden import redact
from hub.http.guard import Guard, host_of, port_of
from hub.http.names import Resolver, resolve
from hub.http.words import connect_words, failure_words, timeout_words, tls_words

logger = logging.getLogger(__name__)


class NoAnswer(Exception):
    """No HTTP answer came, or not a whole one. Its text goes on after the name of the host."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait: to connect, for the next bytes, and for everything."""

    connect: timedelta = timedelta(seconds=5)
    read: timedelta = timedelta(seconds=30)
    total: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request: a context variable carries it down to the reads and writes of its socket.

    A timeout of the client is per read, so a drip of one byte a second would outlast it; a
    cancellation from outside would be the surest way to damage the pool. The deadline is
    therefore kept where the waiting is done.
    """

    deadline: float
    secure: bool

    def left(self, timeout: float | None) -> float:
        left = max(self.deadline - asyncio.get_running_loop().time(), 0)
        return left if timeout is None else min(timeout, left)


_attempt: ContextVar[Attempt] = ContextVar("attempt")


class _Backend(httpcore2.AsyncNetworkBackend):
    """Resolves a name once, asks the guard about every address, connects to a checked one.

    The pool above keeps the name for Host, SNI and the certificate.
    """

    def __init__(self, guard: Guard | None, resolver: Resolver) -> None:
        self._guard = guard
        self._resolver = resolver
        # httpcore2 declares a stand-in of that name for installations without anyio.
        self._tcp: httpcore2.AsyncNetworkBackend = httpcore2.AnyIOBackend()  # ty: ignore[invalid-assignment]

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        attempt, clock = _attempt.get(), asyncio.get_running_loop().time
        ends = clock() + attempt.left(timeout)
        addresses = await resolve(self._resolver, host, port, ends - clock())
        if self._guard is not None:
            for address in addresses:
                self._guard.check(address, port=port, secure=attempt.secure)
        failure: Exception = httpcore2.ConnectTimeout()
        for index, address in enumerate(addresses):
            # An address that swallows packets may not eat the time of the next one.
            share = max(ends - clock(), 0) / (len(addresses) - index)
            try:
                stream = await self._tcp.connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except httpcore2.ConnectTimeout as error:
                failure = error
            except httpcore2.ConnectError as error:
                failure = httpcore2.ConnectError(connect_words(error.__cause__))
            else:
                return _Stream(stream)
        raise failure


class _Stream(httpcore2.AsyncNetworkStream):
    """A connection whose every wait ends at the deadline of the attempt that waits."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self._stream.read(max_bytes, _attempt.get().left(timeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._stream.write(buffer, _attempt.get().left(timeout))

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore2.AsyncNetworkStream:
        left = _attempt.get().left(timeout)
        try:
            return _Stream(await self._stream.start_tls(ssl_context, server_hostname, left))
        except httpcore2.ConnectError as error:
            raise httpcore2.ConnectError(tls_words(error.__cause__)) from None

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class Pool:
    """Connections that one guard has let through; they are reused under that guard alone."""

    def __init__(
        self, guard: Guard, *, tls: ssl.SSLContext, proxy: str | None, resolver: Resolver
    ) -> None:
        self._guard = guard
        self._resolver = resolver
        self._proxied = proxy is not None
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            proxy=None if proxy is None else _proxy(proxy),
            # No ceiling here, where one host could take all: callers bound what they start.
            max_connections=None,
            max_keepalive_connections=50,
            keepalive_expiry=4,  # below the 5 s of Node and uvicorn, else a request meets a close
            network_backend=_Backend(None if self._proxied else guard, resolver),
        )

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: httpx2.URL,
        *,
        headers: httpx2.Headers,
        timeouts: Timeouts,
        content: bytes | None = None,
        carries_trace: bool = False,
    ) -> AsyncGenerator[httpx2.Response]:
        """Ask, and hand on the answer with its body still to be read. Redirects are answers.

        `carries_trace`: who is asked may go on with the trace.
        Raises AddressRefused or NoAnswer, also while the body is read within the block.
        """
        facts = {"method": method, "host": url.host, "path": redact(url.path)}
        with traces.span(method, "client", None, **facts, port=port_of(url)) as spanned:
            if carries_trace and (trace := traces.here()):
                headers["traceparent"] = trace
            async with self._exchange(method, url, headers, timeouts, content) as answer:
                spanned.tell(status=answer.status_code)
                logger.debug("called", extra={**facts, "status": answer.status_code})
                yield answer

    @asynccontextmanager
    async def _exchange(
        self,
        method: str,
        url: httpx2.URL,
        headers: httpx2.Headers,
        timeouts: Timeouts,
        content: bytes | None,
    ) -> AsyncGenerator[httpx2.Response]:
        connect, read, total = (
            span.total_seconds() for span in (timeouts.connect, timeouts.read, timeouts.total)
        )
        attempt = Attempt(asyncio.get_running_loop().time() + total, url.scheme == "https")
        token = _attempt.set(attempt)
        try:
            if self._proxied:
                await self._check_target(url, attempt.left(connect))
            async with self._pool.stream(
                method,
                httpcore2.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=[(b"Host", url.netloc), *headers.raw],
                content=content,
                extensions={"timeout": {"connect": connect, "read": read, "write": read}},
            ) as answer:
                yield httpx2.Response(
                    answer.status, headers=answer.headers, stream=_Body(answer.aiter_stream())
                )
        except httpcore2.TimeoutException as error:
            over = attempt.left(None) <= 0
            words = timeout_words(error, over=over, connect=connect, read=read, total=total)
            raise NoAnswer(words) from None
        except (
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
            httpcore2.ProxyError,
            OSError,
        ) as error:
            raise NoAnswer(failure_words(error)) from None
        finally:
            _attempt.reset(token)

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def _check_target(self, url: httpx2.URL, timeout: float) -> None:  # noqa: ASYNC109
        """Judge the target where a proxy will make the connection.

        The proxy resolves the name itself, and inside a closed network only it can: a name that
        we cannot resolve is left to the proxy's own rules.
        """
        port, secure = port_of(url), url.scheme == "https"
        try:
            addresses = await resolve(self._resolver, host_of(url), port, timeout)
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
            return
        for address in addresses:
            self._guard.check(address, port=port, secure=secure)


def trust(ca_file: str | None) -> ssl.SSLContext:
    """Trust the system's authorities, and those in a file beside them."""
    context = httpcore2.default_ssl_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            words = error.strerror or "it holds no certificate"
            raise ConfigError(f"The authorities in {ca_file} cannot be read: {words}") from error
    return context


# Read once by a process: it takes 30 ms. HTTP's own, since its requests write ALPN into it.
trust_of_http = cache(trust)


def _proxy(text: str) -> httpcore2.Proxy:
    """Read `http://user:password@host:port`; the operator writes it, and may need the sign-in."""
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        url = httpx2.URL()
    if url.scheme not in {"http", "https"} or not url.host:
        # Without the text: it may hold a password.
        raise ConfigError("The proxy is not an address such as http://proxy.example.com:3128")
    return httpcore2.Proxy(
        httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target="/"),
        auth=(url.username, url.password) if url.userinfo else None,
    )


class _Body(httpx2.AsyncByteStream):
    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks
