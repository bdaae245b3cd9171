"""Signing in to the page: a key for an HttpOnly cookie."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hub.web.auth import COOKIE, SESSION_SECONDS, Doorkeeper

LARGEST = 4096


class Sessions:
    """`/session`: GET tells how one may sign in, POST opens a session, DELETE ends it.

    `demo_keys` are offered on the page of a demo, which serves loopback only.
    """

    def __init__(self, doorkeeper: Doorkeeper, demo_keys: Mapping[str, str] | None) -> None:
        self._doorkeeper = doorkeeper
        self._demo_keys = demo_keys

    async def tell(self, request: Request) -> Response:
        viewer = await self._doorkeeper(request)()
        told: dict[str, Any] = {"demo": self._demo_keys is not None, "signedIn": viewer is not None}
        if self._demo_keys is not None:
            told["keys"] = dict(self._demo_keys)
        return JSONResponse(told)

    async def open(self, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return JSONResponse({"error": "Send the key as JSON"}, 415)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST:
                return JSONResponse({"error": "That is too long to be a key"}, 413)
        try:
            key = orjson.loads(bytes(body))["key"]
        except (ValueError, TypeError, KeyError):
            key = None
        if not isinstance(key, str) or not key.strip():
            return JSONResponse({"error": 'Send {"key": "hub_..."}'}, 400)
        viewer = await self._doorkeeper(request, key.strip())()
        if viewer is None:
            return JSONResponse({"error": "That key is unknown, expired or revoked"}, 401)
        response = Response(status_code=204)
        response.set_cookie(
            COOKIE,
            self._doorkeeper.open_session(viewer),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    async def end(self, request: Request) -> Response:
        del request
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response
