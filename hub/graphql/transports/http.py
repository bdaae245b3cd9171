"""GraphQL over HTTP (https://graphql.github.io/graphql-over-http/), and SSE for subscriptions."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import lru_cache
from typing import Any

import orjson
from graphql import GraphQLError
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from strawberry.types.graphql import OperationType

from hub import traces
from hub.errors import Code, Refused, StoreUnavailable
from hub.graphql.context import Context
from hub.graphql.errors import present
from hub.graphql.replies import Replies
from hub.graphql.schema import Schema
from hub.graphql.transports.persisted import Persisted
from hub.graphql.transports.requests import Asked, read_body, read_query_string

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
SSE = "text/event-stream"
LARGEST_BODY = 256 * 1024
BODY_WITHIN = 10.0  # seconds
HEARTBEAT = 12.0  # seconds between comments that keep a quiet stream open

_ALWAYS = ((b"cache-control", b"no-store"), (b"vary", b"Accept, Cookie, Authorization"))

MakeContext = Callable[[HTTPConnection], Awaitable[Context]]


async def answer(
    schema: Schema,
    persisted: Persisted,
    replies: Replies,
    make_context: MakeContext,
    ending: asyncio.Event,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Answer one request. A stream ends when `ending` is set, and its client comes again."""
    request = Request(scope, receive)
    response = await _answer(schema, persisted, replies, make_context, ending, request)
    response.raw_headers += _ALWAYS
    await response(scope, receive, send)


async def _answer(
    schema: Schema,
    persisted: Persisted,
    replies: Replies,
    make_context: MakeContext,
    ending: asyncio.Event,
    request: Request,
) -> Response:
    media = acceptable(request.headers.get("accept", "*/*"))
    try:
        if not media:
            raise _Turned(406, Code.INVALID, f"Accept one of {GRAPHQL}, {JSON}, {SSE}")
        asked = await _read(request)
        context = await make_context(request)
        _ = context.viewer
        document = await persisted.read(asked)
        # Executing what is no GraphQL says where it is wrong.
        operation = document.operation(asked.operation_name) if document.node else None
    except (Refused, StoreUnavailable, ClientDisconnect) as error:
        return _turned(error, media)

    wants_stream = media[0] == SSE or (SSE in media and operation is OperationType.SUBSCRIPTION)
    if wants_stream and request.method == "POST":
        events = _events(schema, document.text, asked, context, ending)
        return StreamingResponse(events, headers={"X-Accel-Buffering": "no"}, media_type=SSE)
    kind = next((one for one in media if one != SSE), JSON)
    if operation is OperationType.SUBSCRIPTION:
        stream = f"Accept {SSE}, or open a WebSocket"
        wrong = Refused(Code.INVALID, "A subscription needs a stream", stream)
        return _json({"errors": [_formatted(wrong)]}, kind, 400)
    if request.method == "GET" and operation is OperationType.MUTATION:
        wrong = Refused(Code.INVALID, "A mutation is not taken by GET", "POST it")
        return _json({"errors": [_formatted(wrong)]}, kind, 405, {"Allow": "POST"})
    traced = traces.span(
        "graphql",
        "server",
        request.headers.get("traceparent"),
        operation=None if operation is None else operation.value,
        operation_name=(asked.operation_name or "")[:100] or None,
    )
    with traced:
        reply = await replies.of(document, context, asked.variables, asked.operation_name)
    # The older media type answers 200 to anything well-formed; the newer says what went wrong.
    return _written(reply.body, kind, 200 if reply.executed or kind == JSON else 400)


def _turned(error: Refused | StoreUnavailable | ClientDisconnect, media: Sequence[str]) -> Response:
    """Answer a request that was not executed."""
    kind = next((one for one in media if one != SSE), JSON)
    match error:
        case ClientDisconnect():
            return Response(status_code=400)  # nobody is there to read it
        case StoreUnavailable():
            return _json({"errors": [_formatted(error)]}, kind, 503, {"Retry-After": "5"})
        case Refused(code=Code.UNAUTHENTICATED):
            # https://www.rfc-editor.org/rfc/rfc6750#section-3
            return _json({"errors": [_formatted(error)]}, kind, 401, {"WWW-Authenticate": "Bearer"})
        case Refused(code=Code.UNAVAILABLE):
            return _json({"errors": [_formatted(error)]}, kind, 503, {"Retry-After": "5"})
        case Refused(code=Code.PERSISTED_QUERY_NOT_FOUND | Code.DOCUMENT_NOT_REGISTERED):
            # Clients of the older media type read no answer but 200.
            return _json({"errors": [_formatted(error)]}, kind, 200 if media[0] == JSON else 400)
        case _:
            status = error.status if isinstance(error, _Turned) else 400
            return _json({"errors": [_formatted(error)]}, kind, status)


async def _events(
    schema: Schema, text: str, asked: Asked, context: Context, ending: asyncio.Event
) -> AsyncGenerator[str]:
    """Stream results as server-sent events, in the distinct-connections mode of graphql-sse.

    When the hub ends it says no "complete": so the client connects again and goes on.
    """
    results = schema.follow(text, context, asked.variables, asked.operation_name)
    async with aclosing(results):
        waiting = asyncio.ensure_future(anext(results, None))  # noqa: TID251 - shielded below
        end = asyncio.ensure_future(ending.wait())  # noqa: TID251 - awaited below
        gone = asyncio.ensure_future(context.gone())  # noqa: TID251 - awaited below
        try:
            while True:
                done, _ = await asyncio.wait(
                    {waiting, end, gone}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED
                )
                if end in done:
                    return
                if gone in done:
                    error = {"errors": [_formatted(gone.result())]}
                    yield f"event: next\ndata: {orjson.dumps(error).decode()}\n\n"
                    break
                if not done:
                    yield ":\n\n"
                    continue
                result = waiting.result()
                if result is None:
                    break
                yield f"event: next\ndata: {orjson.dumps(payload(result)).decode()}\n\n"
                waiting = asyncio.ensure_future(anext(results, None))  # noqa: TID251
        finally:
            for one in (waiting, end, gone):
                one.cancel()
            await asyncio.wait({waiting, end, gone})  # a generator at work cannot be closed
    yield "event: complete\ndata:\n\n"


def payload(result: Any) -> dict[str, Any]:
    """Write one execution result as the protocols carry it."""
    body: dict[str, Any] = {}
    if result.errors:
        body["errors"] = [error.formatted for error in result.errors]
    if result.data is not None or not result.errors or any(e.path for e in result.errors):
        body["data"] = result.data
    return body


class _Turned(Refused):
    """A refusal with its own HTTP status."""

    def __init__(self, status: int, code: Code, message: str, suggestion: str = "") -> None:
        super().__init__(code, message, suggestion)
        self.status = status


async def _read(request: Request) -> Asked:
    if request.method == "GET":
        if request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
            raise _Turned(403, Code.FORBIDDEN, "Pages of other sites may not ask", "POST it")
        return read_query_string(request.query_params)
    if request.method != "POST":
        raise _Turned(405, Code.INVALID, "GraphQL takes GET and POST")
    media, _, parameters = request.headers.get("content-type", "").partition(";")
    if media.strip().lower() != JSON:
        raise _Turned(415, Code.INVALID, "The body must be JSON", f"Send Content-Type: {JSON}")
    charset = parameters.lower().replace(" ", "").partition("charset=")[2].strip('"')
    if charset not in {"", "utf-8", "utf8"}:
        raise _Turned(415, Code.INVALID, "The body must be UTF-8")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise _Turned(415, Code.INVALID, "The body must not be compressed")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_BODY:
                    most = f"at most {LARGEST_BODY // 1024} KiB"
                    raise _Turned(413, Code.INVALID, f"The body is too large: {most}")
    except TimeoutError:
        raise _Turned(408, Code.INVALID, "The body did not arrive in time") from None
    return read_body(bytes(body))


@lru_cache(maxsize=64)
def acceptable(accept: str) -> Sequence[str]:
    """List the media types we have that a client accepts, the one it prefers first."""
    ours = (JSON, GRAPHQL, SSE)
    best: dict[str, tuple[float, int, int]] = {}
    for place, part in enumerate(accept.split(",")):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        for rank, one in enumerate(ours):
            wild = media in {"*/*", one.partition("/")[0] + "/*"}
            # A wildcard means JSON: nobody asks for an endless stream without naming it.
            if media == one or (wild and one != SSE):
                offer = (quality, -(place + 100 if wild else place), -rank)
                best[one] = max(best.get(one, offer), offer)
    chosen = [one for one in ours if one in best and best[one][0] > 0]
    return tuple(sorted(chosen, key=lambda one: best[one], reverse=True))


def _formatted(error: Exception) -> Any:
    return present(GraphQLError(str(error), original_error=error)).formatted


def _json(
    body: dict[str, Any], kind: str, status: int, headers: dict[str, str] | None = None
) -> Response:
    return _written(orjson.dumps(body), kind, status, headers)


def _written(
    body: bytes, kind: str, status: int, headers: dict[str, str] | None = None
) -> Response:
    return Response(
        body,
        status_code=status,
        headers={"Content-Type": f"{kind}; charset=utf-8", **(headers or {})},
    )
