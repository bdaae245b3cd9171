"""GraphQL over HTTP (https://graphql.github.io/graphql-over-http/)."""

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
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
from hub.graphql.errors import present
from hub.graphql.transports.batch import answer_each
from hub.graphql.transports.events import PARTS, SERVER_SENT, UNBUFFERED, Framing, written
from hub.graphql.transports.incoming import (
    JSON,
    SSE,
    Turned,
    check_head,
    check_operation,
    read,
)
from hub.graphql.transports.repeats import Repeat
from hub.graphql.transports.served import Served
from hub.live.told import Told

GRAPHQL = "application/graphql-response+json"
MULTIPART = "multipart/mixed"
_STREAMS: Mapping[str, Framing] = {SSE: SERVER_SENT, MULTIPART: PARTS}
_SUBSCRIPTIONS = re.compile(r'subscriptionspec="?1\.0"?')
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
        asked, body = await read(request, served.limits)
        if isinstance(asked, tuple):
            with traces.span(
                "graphql", "server", request.headers.get("traceparent"), operation="batch"
            ):
                answers = await answer_each(served, request, asked, context)
            return _written(answers, _document_media(media), 200)
        document = await served.persisted.read(asked)
        # Executing what is no GraphQL says where it is wrong.
        operation = document.operation(asked.operation_name) if document.node else None
        framing = _framing(media, operation)
        check_operation(request, operation, streams=framing is not None)
        is_followed = operation is OperationType.SUBSCRIPTION
        if is_followed:
            held.enter_context(served.admission.connected())
        place = served.admission.streaming if is_followed else served.admission.running
        held.enter_context(place(context.viewer))
    except (Refused, StoreUnavailable, ClientDisconnect) as error:
        return _turned(error, media)

    if framing is not None and is_followed:
        after = request.headers.get("last-event-id") or None
        results = served.streams.follow(
            document, context, asked.variables, asked.operation_name, after
        )
        events = written(served, results, context, framing)
        return StreamingResponse(events, headers=UNBUFFERED, media_type=framing.media)
    kind = _document_media(media)
    traced = traces.span(
        "graphql",
        "server",
        request.headers.get("traceparent"),
        operation=None if operation is None else operation.value,
        operation_name=(asked.operation_name or "")[:100] or None,
    )
    with traced:
        reply = await served.replies.of(document, context, asked.variables, asked.operation_name)
    if framing is not None:
        told = Told(reply.body.decode(), executed=reply.executed)
        return Response(framing.told(told) + framing.end, media_type=framing.media)
    # The older media type answers 200 to anything well-formed; the newer says what went wrong.
    status = 504 if reply.late else 200 if reply.executed or kind == JSON else 400
    response = _written(reply.body, kind, status)
    if reply.question is not None and status == 200:
        headers = [one for one in (*response.raw_headers, *_ALWAYS) if one[0] != b"content-length"]
        repeat = Repeat(reply.question, headers, served.persisted.until(asked))
        served.repeats.note(request, body, repeat)
    return response


def _framing(media: Sequence[str], operation: OperationType | None) -> Framing | None:
    """Say how the answer is streamed, if it is: an answer that is one only where it must be."""
    if media[0] == SSE:
        return SERVER_SENT
    if operation is OperationType.SUBSCRIPTION:
        return next((_STREAMS[one] for one in media if one in _STREAMS), None)
    return None


def _document_media(media: Sequence[str]) -> str:
    return next((one for one in media if one not in _STREAMS), JSON)


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
        case Refused(facts={"of": "sockets", "retryAfter": int(wait)}):
            status, headers = 503, {"Retry-After": str(wait)}
        case Refused(facts={"retryAfter": int(wait)}):
            status, headers = 429, {"Retry-After": str(wait)}
        case _:
            status = 400
    kind = _document_media(media)
    return _json({"errors": [_formatted(error)]}, kind, status, headers)


@lru_cache(maxsize=64)
def acceptable(accept: str) -> Sequence[str]:
    """List the media types we have that a client accepts, the one it prefers first."""
    ours = (JSON, GRAPHQL, SSE, MULTIPART)
    best: dict[str, tuple[float, int, int]] = {}
    for place, part in enumerate(accept.split(",")):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if media == MULTIPART and not any(_SUBSCRIPTIONS.fullmatch(one) for one in parameters):
            continue  # parts of something else
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
            if media == one or (wild and one not in _STREAMS):
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
