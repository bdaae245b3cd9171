"""What is counted, said and given of every request: route, answer, time, number, headers."""

import logging
import re
from functools import cache
from random import getrandbits
from time import perf_counter
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub import metrics
from hub.logs import note, noted
from hub.web.headers import HEADERS, PAIRS, secured

if TYPE_CHECKING:
    from hub.graphql.transports import GraphQL

NUMBER = re.compile(r"[A-Za-z0-9._:-]{8,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})

logger = logging.getLogger(__name__)


class Requests:
    """The outermost layer of the application. `graphql`: where that answers, if it does."""

    def __init__(self, app: ASGIApp, graphql: Route | None = None) -> None:
        self.app = app
        self._graphql = graphql
        self._at = None if graphql is None else graphql.path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "websocket":
            # Its messages are nobody's to count: `hub.graphql.transports` counts the sockets.
            _number(scope)
            await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        number = _number(scope)
        began = perf_counter()
        status = 500  # of an answer that never began

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                # A stream may go on for hours: what counts is when it began.
                _seconds_of(_route(scope)).observe(perf_counter() - began)
                message["headers"] = secured(message["headers"])
                message["headers"].append((b"x-request-id", number.encode()))
            await send(message)

        try:
            if scope["path"] == self._at and not scope["root_path"]:
                # What came before is answered here: all that is below would find the same again,
                # also of the Host it was sent to, which stands in its head.
                scope["route"] = self._graphql
                graphql: GraphQL = scope["app"].state.graphql
                again, receive = await graphql.served.repeats.find(scope, receive)
                if again is not None:
                    status = 200
                    _seconds_of(_route(scope)).observe(perf_counter() - began)
                    await again.give(send, [*PAIRS, (b"x-request-id", number.encode())])
                    return
            await self.app(scope, receive, noted)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            _counter_of(_route(scope), method, status).inc()
            if logger.isEnabledFor(logging.DEBUG):
                facts = {"method": method, "path": scope["path"], "status": status}
                ms = round((perf_counter() - began) * 1e3, 1)
                logger.debug("answered", extra={**facts, "ms": ms})


async def broken(_: Request, error: Exception) -> Response:
    """Answer a request that met a bug; the log has the same number, and the traceback."""
    del error  # the server logs it, in this task
    number = str(noted("request"))
    said = f"Internal error. Tell your administrator this number: {number}"
    return JSONResponse({"error": said}, 500, {**HEADERS, "X-Request-ID": number})


def _number(scope: Scope) -> str:
    """Give the request a number: the client's or the proxy's own, where it has one.

    It stays with the task, which is the request's: the server logs a failure after us.
    """
    number = ""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            number = value.decode("latin-1")
            break
    if not NUMBER.fullmatch(number):
        number = f"{getrandbits(128):032x}"
    note(request=number)
    return number


# Looking a metric up by its labels takes longer than counting. There are as many as routes, methods
# and statuses: none is a client's to make up.
@cache
def _counter_of(route: str, method: str, status: int) -> Any:
    return metrics.requests.labels(route, method, status)


@cache
def _seconds_of(route: str) -> Any:
    return metrics.request_seconds.labels(route)


def _route(scope: Scope) -> str:
    """Name the route as it is declared: what a client makes up is no label."""
    return getattr(scope.get("route"), "path", "other")
