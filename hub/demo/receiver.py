"""Whoever a role's webhooks go to: checks each signature, and shows what came last."""

from collections import deque
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.signals import now
from hub.signing import verify
from hub.web.headers import LOOPBACK, KnownHosts

SHOWN = 50


class Receiver:
    """`POST /` takes a delivery if the hub signed it; `GET /` shows the last 50, newest first."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._came: deque[dict[str, Any]] = deque(maxlen=SHOWN)
        self._refused = 0
        self.app = Starlette(
            routes=[Route("/", self._show), Route("/", self._take, methods=["POST"])],
            middleware=[Middleware(KnownHosts, hosts=LOOPBACK)],
        )

    async def _take(self, request: Request) -> Response:
        body, at = await request.body(), now()
        if not verify([self._secret], request.headers, body, now=at):
            self._refused += 1
            return JSONResponse({"error": "the hub did not sign this"}, 401)
        self._came.appendleft(
            {
                "id": request.headers["webhook-id"],
                "received_at": at.isoformat(),
                "signature": "verified",
                "event": orjson.loads(body),
            }
        )
        return Response(status_code=204)

    async def _show(self, request: Request) -> Response:
        del request
        return JSONResponse({"refused": self._refused, "deliveries": list(self._came)})
