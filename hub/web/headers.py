"""Headers that every answer carries, and the hosts that a demo answers to."""

from collections.abc import Collection, Iterable
from typing import TypeAlias

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
Header: TypeAlias = tuple[bytes, bytes]
PAIRS: list[Header] = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_NAMES = frozenset(name for name, _ in PAIRS)


def secured(given: Iterable[Header]) -> list[Header]:
    """Add the headers of every answer to its own, which come first."""
    headers = list(given)
    if _NAMES.isdisjoint([name for name, _ in headers]):
        return headers + PAIRS
    names = {name for name, _ in headers}
    return headers + [one for one in PAIRS if one[0] not in names]


class KnownHosts:
    """Refuses other names in Host: so a page elsewhere cannot reach a demo by DNS rebinding."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app = app
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            host = HTTPConnection(scope).headers.get("host", "")
            name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
            if name.strip("[]").lower() not in self.hosts:
                if scope["type"] == "websocket":
                    await send({"type": "websocket.close", "code": 1008})
                    return
                refused = PlainTextResponse(f"This hub is not called {name!r}", 421)
                await refused(scope, receive, send)
                return
        await self.app(scope, receive, send)


LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
