"""A request as it comes in: what its head must say, and how much of a body is waited for."""

import asyncio
from contextlib import suppress
from typing import Final

from starlette.requests import Request
from strawberry.types.graphql import OperationType

from hub.errors import Code, Refused
from hub.graphql.limits import Limits, over
from hub.graphql.transports.requests import Asked, read_body, read_query_string

JSON: Final = "application/json"
SSE: Final = "text/event-stream"


class Turned(Refused):
    """A refusal with its own HTTP status."""

    def __init__(self, status: int, code: Code, message: str, suggestion: str = "") -> None:
        super().__init__(code, message, suggestion)
        self.status = status


def check_head(request: Request) -> None:
    """Refuse what no body could make good. Raises Turned."""
    if request.method == "GET":
        if request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
            raise Turned(403, Code.FORBIDDEN, "Pages of other sites may not ask", "POST it")
        return
    if request.method != "POST":
        raise Turned(405, Code.INVALID, "GraphQL takes GET and POST")
    media, _, parameters = request.headers.get("content-type", "").partition(";")
    if media.strip().lower() != JSON:
        raise Turned(415, Code.INVALID, "The body must be JSON", f"Send Content-Type: {JSON}")
    charset = parameters.lower().replace(" ", "").partition("charset=")[2].strip('"')
    if charset not in {"", "utf-8", "utf8"}:
        raise Turned(415, Code.INVALID, "The body must be UTF-8")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Turned(415, Code.INVALID, "The body must not be compressed")


def check_operation(request: Request, operation: OperationType | None, *, streams: bool) -> None:
    """Refuse an operation that the answer to this request cannot be for. Raises Refused."""
    if operation is OperationType.SUBSCRIPTION and not streams:
        stream = f"Accept {SSE}, or open a WebSocket"
        raise Refused(Code.INVALID, "A subscription needs a stream", stream)
    if request.method == "GET" and operation is OperationType.MUTATION:
        raise Turned(405, Code.INVALID, "A mutation is not taken by GET", "POST it")


async def read(request: Request, limits: Limits) -> tuple[Asked | tuple[Asked, ...], bytes]:
    """Read what is asked, a tuple of a batch; give the body as well. Raises Refused."""
    if request.method == "GET":
        return read_query_string(request.query_params, limits), b""
    most = limits.body * 1024
    with suppress(ValueError):
        if int(request.headers.get("content-length", "0")) > most:
            raise _over(413, "body", limits.body)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise _over(413, "body", limits.body)
    except TimeoutError:
        raise _over(408, "body_seconds", limits.body_seconds) from None
    whole = bytes(body)
    return read_body(whole, limits), whole


def _over(status: int, name: str, most: float) -> Turned:
    refused = over(name, None, most)
    turned = Turned(status, refused.code, refused.message, refused.suggestion)
    turned.facts = refused.facts
    return turned
