"""What is counted and said of every request: its route, its answer, its time, its number."""

import logging
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub import metrics

METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})

logger = logging.getLogger(__name__)


class Requests:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._converse(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = perf_counter()
        status = 500  # of an answer that never began

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                # A stream may go on for hours: what counts is when it began.
                metrics.request_seconds.labels(_route(scope)).observe(perf_counter() - began)
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            metrics.requests.labels(_route(scope), method, status).inc()

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_open = False

        async def noted(message: Message) -> None:
            nonlocal is_open
            if message["type"] == "websocket.accept":
                is_open = True
                metrics.sockets.inc()
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            if is_open:
                metrics.sockets.dec()


def _route(scope: Scope) -> str:
    """Name the route as it is declared: what a client makes up is no label."""
    return getattr(scope.get("route"), "path", "other")
