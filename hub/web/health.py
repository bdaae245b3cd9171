"""`/livez` and `/readyz`: whether the process runs, and whether it can do its work.

They need `app.state.runtime`, and take note of `app.state.loops` (the tasks that must not end) and
`app.state.draining` (true once the process is on its way out), where there are any.
"""

import logging

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hub.errors import HubError
from hub.web.watch import watch_of

logger = logging.getLogger(__name__)


async def live(request: Request) -> Response:
    """Say whether a restart would help: the database being away is no reason."""
    if _loop_ended(request.app) and not _draining(request.app):
        return JSONResponse({"status": "broken", "why": "a loop has ended: restart"}, 503)
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """Say ready when the database answers, takes what is written, and has this schema."""
    if _draining(request.app):
        return _not_ready("the process is stopping")
    if _loop_ended(request.app):
        return _not_ready("a loop has ended: restart")
    try:
        await watch_of(request.app).ready()
    except HubError as error:
        return _not_ready(str(error))
    return JSONResponse({"status": "ok"})


async def away(request: Request, error: Exception) -> Response:
    """Answer any request that met no database."""
    del request
    logger.warning("a request met no database", extra={"error": str(error)})
    return JSONResponse({"error": "Not now: try again shortly"}, 503, {"Retry-After": "5"})


def _not_ready(why: str) -> Response:
    return JSONResponse({"status": "not ready", "why": why}, 503, {"Retry-After": "5"})


def _draining(app: Starlette) -> bool:
    return bool(getattr(app.state, "draining", False))


def _loop_ended(app: Starlette) -> bool:
    return any(loop.done() for loop in getattr(app.state, "loops", ()))
