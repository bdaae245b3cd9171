"""`/livez` and `/readyz`: whether the process runs, and whether it can do its work."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hub.errors import HubError
from hub.store import log
from hub.store.migrate import require_current


async def live(request: Request) -> Response:
    del request
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """Say ready when the database answers and has this version's schema."""
    store = request.app.state.runtime.store
    try:
        await require_current(store)
        async with store.read() as connection:
            await log.head(connection)
    except HubError as error:
        return JSONResponse(
            {"status": "not ready", "why": str(error)}, 503, headers={"Retry-After": "5"}
        )
    return JSONResponse({"status": "ok"})
