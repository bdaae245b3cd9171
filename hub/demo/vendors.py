"""The vendors' stand-ins as servers of the demo: found by name, and asked by nobody but the hub."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from hub.demo.folder import Happening
from hub.signals import now
from hub.testing.twins import Twin
from hub.web.headers import LOOPBACK, KnownHosts


class Vendor:
    """A twin with a door for whoever wants something to happen there."""

    def __init__(self, name: str, twin: Twin, note: Callable[[Happening], None]) -> None:
        self.name, self.twin, self._note = name, twin, note
        self.app = Starlette(
            routes=[Route("/_demo/emit", self._emit, methods=["POST"]), Mount("/", twin.app)],
            middleware=[Middleware(KnownHosts, hosts=LOOPBACK)],
        )

    def happen(self, record: Mapping[str, Any], *, scripted: bool = False) -> dict[str, Any]:
        """Let something happen at the vendor, and write it down with the time it happened."""
        record = {"at": now().isoformat(), **record}
        shown = self.twin.emit(record)
        self._note(Happening(self.name, record, scripted))
        return shown

    async def _emit(self, request: Request) -> Response:
        origin = request.headers.get("origin")
        if origin and urlsplit(origin).netloc != request.headers.get("host"):
            return JSONResponse({"error": "no page elsewhere makes things happen here"}, 403)
        try:
            record = json.loads(await request.body() or b"{}")
            if not isinstance(record, dict):
                return JSONResponse({"error": "that is no JSON object"}, 400)
            return JSONResponse(self.happen(record))
        except (LookupError, TypeError, ValueError) as error:
            return JSONResponse({"error": f"cannot emit that: {error!r}"}, 400)
