"""`/schemas/{kind}/{version}`: what the attributes of a kind are, for other programs.

They say what the hub is able to carry and nothing of what it holds, so nobody has to sign in.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.details import VERSION, schema_of, schema_path
from hub.kinds import KINDS

_KEPT = {"Cache-Control": "public, max-age=3600"}


async def known(request: Request) -> Response:
    """List the schemas of the catalogue's kinds."""
    del request
    listed = [
        {"kind": kind, "version": VERSION, "about": info.about, "url": schema_path(kind)}
        for kind, info in KINDS.items()
    ]
    return JSONResponse({"schemas": listed}, headers=_KEPT)


async def one(request: Request) -> Response:
    found = schema_of(request.path_params["kind"], request.path_params["version"])
    if found is None:
        return JSONResponse({"error": "There is no such schema: /schemas/ lists them"}, 404)
    return JSONResponse(found, headers=_KEPT, media_type="application/schema+json")


ROUTES = [Route("/schemas/", known), Route("/schemas/{kind}/{version}", one)]
