"""GraphQL over HTTP (https://graphql.github.io/graphql-over-http/), and SSE for subscriptions."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, aclosing
from functools import lru_cache
from typing import Any

import orjson
from graphql import GraphQLError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from strawberry.types.graphql import OperationType

from hub import traces
from hub.errors import Code, Refused, StoreUnavailable
from hub.graphql.context import Context
from hub.graphql.errors import present
from hub.graphql.transports.incoming import (
    JSON,
    SSE,
    Turned,
    check_head,
    check_operation,
    read,
)
from hub.graphql.transports.requests import Asked
from hub.graphql.transports.served import Served

GRAPHQL = "application/graphql-response+json"
HEARTBEAT = 12.0  # seconds between comments that keep a quiet stream open

_ALWAYS = ((b"cache-control", b"no-store"), (b"vary", b"Accept, Cookie, Authorization"))


async def answer(served: Served, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request. A stream ends when the hub does, and its client comes again."""
    request = Request(scope, receive)
    with ExitStack() as held:  # the places that this request takes among those of its key
        response = await _answer(served, request, held)
        response.raw_headers += _ALWAYS
        await response(scope, receive, send)


async def _answer(served: Served, request: Request, held: ExitStack) -> Response:
    media = acceptable(request.headers.get("accept", "*/*"))
    try:
        if not media:
            raise Turned(406, Code.INVALID, f"Accept one of {GRAPHQL}, {JSON}, {SSE}")
        check_head(request)
        # Who comes, and whether it is their turn, before anything of theirs is read.
        context = await served.context(request)
        served.admission.admit(context.viewer)
        asked = await read(request, served.limits)
        document = await served.persisted.read(asked)
        # Executing what is no GraphQL says where it is wrong.
        operation = document.operation(asked.operation_name) if document.node else None
        wants_stream = request.method == "POST" and (
            media[0] == SSE or (SSE in media and operation is OperationType.SUBSCRIPTION)
        )
        place = served.admission.streaming if wants_stream else served.admission.running
        held.enter_context(place(context.viewer))
        if not wants_stream:
            check_operation(request, operation)
    except (Refused, StoreUnavailable, ClientDisconnect) as error:
        return _turned(error, media)

    if wants_stream:
        events = _events(served, document.text, asked, context)
        return StreamingResponse(events, headers={"X-Accel-Buffering": "no"}, media_type=SSE)
    kind = next((one for one in media if one != SSE), JSON)
    traced = traces.span(
        "graphql",
        "server",
        request.headers.get("traceparent"),
        operation=None if operation is None else operation.value,
        operation_name=(asked.operation_name or "")[:100] or None,
    )
    with traced:
        reply = await served.replies.of(document, context, asked.variables, asked.operation_name)
    # The older media type answers 200 to anything well-formed; the newer says what went wrong.
    status = 504 if reply.late else 200 if reply.executed or kind == JSON else 400
    return _written(reply.body, kind, status)


def _turned(error: Refused | StoreUnavailable | ClientDisconnect, media: Sequence[str]) -> Response:
    """Answer a request that was not executed."""
    if isinstance(error, ClientDisconnect):
        return Response(status_code=400)  # nobody is there to read it
    headers: dict[str, str] = {}
    match error:
        case StoreUnavailable() | Refused(code=Code.UNAVAILABLE):
            status, headers = 503, {"Retry-After": "5"}
        case Refused(code=Code.UNAUTHENTICATED):
            # https://www.rfc-editor.org/rfc/rfc6750#section-3
            status, headers = 401, {"WWW-Authenticate": "Bearer"}
        case Refused(code=Code.PERSISTED_QUERY_NOT_FOUND | Code.DOCUMENT_NOT_REGISTERED):
            # Clients of the older media type read no answer but 200.
            status = 200 if media[0] == JSON else 400
        case Turned(status=status):
            # Whoever sends too slowly keeps a connection no longer. Who sends too much may send on,
            # unread: cut off, it would never see why.
            headers = {405: {"Allow": "POST"}, 408: {"Connection": "close"}}.get(status, {})
        case Refused(facts={"retryAfter": int(wait)}):
            status, headers = 429, {"Retry-After": str(wait)}
        case _:
            status = 400
    kind = next((one for one in media if one != SSE), JSON)
    return _json({"errors": [_formatted(error)]}, kind, status, headers)


async def _events(served: Served, text: str, asked: Asked, context: Context) -> AsyncGenerator[str]:
    """Stream results as server-sent events, in the distinct-connections mode of graphql-sse.

    When the hub ends it says no "complete": so the client connects again and goes on.
    """
    results = served.schema.follow(text, context, asked.variables, asked.operation_name)
    async with aclosing(results):
        waiting = asyncio.ensure_future(anext(results, None))  # noqa: TID251 - shielded below
        end = asyncio.ensure_future(served.ending.wait())  # noqa: TID251 - awaited below
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
