"""`/push/{source}`: where vendors send what happened, each request signed by the vendor.

No session and no key of the hub's opens it, and no browser has business here. It answers when the
request is stored: vendors give it from one second (Sentry) to ten. What was sent is read later.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hub import metrics
from hub.connector import Accepted, Pushed
from hub.errors import PushRefused, SourceError, TakesNoPushes
from hub.signals import now

if TYPE_CHECKING:
    from hub.runtime import Runtime

# GET and OPTIONS are for challenges: https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md#4-abuse-protection
METHODS = ("POST", "PUT", "GET", "OPTIONS")
# GitHub sends up to 25 MB, but an issue or a release has at most some 130,000 letters; the longest
# of the others are groups of alerts and Sentry's events (1 MB).
LARGEST = 4 * 1024 * 1024
BODY_WITHIN = 10.0  # seconds
_NOBODY = (
    "Nobody takes pushes here. Compare the last part of the address with the sources of hub.toml, "
    "and see whether that source's signing secret is set"
)

logger = logging.getLogger(__name__)


class _Turned(Exception):
    """Turned away before anybody has looked at what was sent."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def push(request: Request) -> Response:
    """Hand a request to its source. Needs `app.state.runtime`."""
    runtime: Runtime = request.app.state.runtime
    name: str = request.path_params["source"]
    source = runtime.config.sources.get(name)
    if source is None:
        return _turned(404, "", TakesNoPushes(f"there is no source named {name!r}"))
    try:
        url = public_url(request, runtime.settings.public_url)
        sent = Pushed(request.method, url, _headers(request), await _body(request), now())
        verdict = await runtime.inbox.take(source, sent)
    except SourceError as error:
        return _turned(_status(error), name, error)
    except _Turned as error:
        return _turned(error.status, name, error)
    if isinstance(verdict, Accepted):
        return Response(status_code=200)
    headers = {**(verdict.headers or {}), "Content-Type": verdict.content_type}
    return Response(verdict.body, verdict.status, headers)


def public_url(request: Request, public: str | None) -> str:
    """Give the address as the vendor called it, which some vendors sign.

    As it came, percent signs and all: `request.url` has the path decoded.
    """
    base = public or f"{request.url.scheme}://{request.url.netloc}"
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope["query_string"]
    there = path.decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
    return base.rstrip("/") + there


def _headers(request: Request) -> Mapping[str, str]:
    """Name each header once; one that came several times has its values in a list."""
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


async def _body(request: Request) -> bytes:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        # A signature is of the bytes that were sent, and they are read as such: so never unpacked.
        raise _Turned(415, "The body must not be compressed")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST:
                    raise _Turned(413, f"The body is too large: at most {LARGEST // 2**20} MiB")
    except TimeoutError:
        raise _Turned(408, "The body did not arrive in time") from None
    return bytes(body)


def _status(error: SourceError) -> int:
    match error:
        case TakesNoPushes():
            return 404
        case PushRefused():
            return 401
        case _:
            return 400


def _turned(status: int, source: str, error: Exception) -> Response:
    """Say no: to the vendor as much as may be said, to whoever reads the log all of it."""
    outcome = "refused" if status in {401, 404} else "invalid"
    metrics.pushes.labels(source, outcome).inc()
    logger.info("a push was turned away", extra={"source": source, "why": str(error)})
    # A name that the hub does not know is answered as one that takes none: who tries names out
    # learns only of those that listen anyway.
    said = _NOBODY if status == 404 else str(error)
    signature = {"WWW-Authenticate": "Signature"} if status == 401 else {}
    return JSONResponse({"error": said}, status, signature)
