"""`/livez` and `/readyz`: whether the process runs, and whether it can do its work."""

import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hub.errors import HubError
from hub.store import log
from hub.store.schema import require_current

logger = logging.getLogger(__name__)


async def live(request: Request) -> Response:
    del request
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """Say ready when the database answers and has this version's schema."""
    store = request.app.state.runtime.store
    if any(loop.done() for loop in request.app.state.loops):
        return JSONResponse({"status": "not ready", "why": "a loop has ended: restart"}, 503)
    try:
        await require_current(store)
        async with store.read() as connection:
            await log.head(connection)
    except HubError as error:
        return JSONResponse(
            {"status": "not ready", "why": str(error)}, 503, headers={"Retry-After": "5"}
        )
    return JSONResponse({"status": "ok"})


async def away(request: Request, error: Exception) -> Response:
    """Answer any request that met no database."""
    del request
    logger.warning("a request met no database", extra={"error": str(error)})
    return JSONResponse({"error": "Not now: try again shortly"}, 503, {"Retry-After": "5"})
