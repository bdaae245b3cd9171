"""The web application: opens the runtime, runs the work, serves every path."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from hub.config import Config
from hub.deliver import Sender
from hub.errors import StoreUnavailable
from hub.follow import follow_configuration, reload_when_asked
from hub.graphql.render import Renderer, check_selections
from hub.graphql.schema import make_schema
from hub.graphql.transports import GraphQL
from hub.graphql.transports.persisted import by_digest
from hub.live import Read, Tail
from hub.oidc import SignIn
from hub.runtime import Runtime, beside, open_runtime
from hub.settings import Settings
from hub.store import log
from hub.store.log import Change
from hub.web import health, inbox, metrics, schemas
from hub.web.auth import Doorkeeper
from hub.web.cookies import Cookies
from hub.web.dashboard.documents import page_documents
from hub.web.headers import LOOPBACK, KnownHosts
from hub.web.requests import Requests, broken
from hub.web.session import BACK, Sessions, session_signer
from hub.work import work

STATIC = Path(__file__).parent / "dashboard"


class _Files(StaticFiles):
    """The page's files, asked for anew by ETag: an upgrade never mixes old and new modules."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers["Cache-Control"] = "no-cache"
        return response


class _Later:
    """An endpoint that exists once the runtime is open."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await getattr(scope["app"].state, self.name)(scope, receive, send)


class _Straight:
    """Goes straight to /graphql, past what looks for a route and turns exceptions into answers.

    That door has one address, and answers for its own errors. What it sends over a socket passes
    nobody on its way: each who stood there would cost as much as a tenth of the sending.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if (
            scope["type"] in {"http", "websocket"}
            and scope["path"] == GRAPHQL.path
            and not scope["root_path"]
        ):
            scope["route"] = GRAPHQL
            app = GRAPHQL.app
        await app(scope, receive, send)


def make_app(
    settings: Settings,
    config: Config | None = None,
    *,
    demo_keys: Mapping[str, str] | None = None,
    worker: bool = False,
) -> Starlette:
    """Make the application of one process.

    `worker`: it polls and delivers, and serves probes alone. Without HUB_REDIS there is one process
    and it does all. `demo_keys`: offered on the sign-in page; then the hub answers only to loopback
    names. Raises ConfigError here or when it starts.
    """
    works = worker or settings.redis is None
    by = "hub worker" if worker else "hub serve"
    signer = session_signer(settings)
    schema = make_schema(settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        def accept(config: Config) -> None:
            check_selections(schema, list(config.endpoints.values()))

        async with open_runtime(settings, config, by=by, accept=accept) as runtime:
            tail = Tail(_log_of(runtime), _head_of(runtime), runtime.bus)
            await tail.start()
            doorkeeper = Doorkeeper(
                runtime.store,
                SignIn(runtime.clients),
                lambda: runtime.config,
                Cookies(settings.public_url),
            )
            sessions = Sessions(doorkeeper, signer, settings.public_url, demo_keys)
            origins = [settings.public_url.rstrip("/")] if settings.public_url else []
            sender = Sender(
                runtime.store,
                runtime.clients,
                Renderer(schema, runtime, tail),
                settings.public_url,
            )
            app.state.runtime = runtime
            app.state.tail = tail
            own = by_digest(page_documents().values())
            app.state.graphql = GraphQL(schema, runtime, tail, doorkeeper, origins, own)
            app.state.sessions = sessions
            loops = [
                tail.run(),
                runtime.health.run(),
                follow_configuration(runtime, tail),
                reload_when_asked(runtime, app.state.reload, "SIGHUP", accept),
                *([work(runtime, sender)] if works else []),
            ]
            async with beside(*loops) as app.state.loops:
                app.state.draining = False
                yield

    app = Starlette(
        lifespan=lifespan,
        exception_handlers={StoreUnavailable: health.away, Exception: broken},
        middleware=[
            Middleware(Requests, graphql=None if worker else GRAPHQL),
            *([Middleware(KnownHosts, hosts=LOOPBACK)] if demo_keys is not None else []),
            *([] if worker else [Middleware(_Straight)]),
        ],
        routes=PROBES if worker else [*PROBES, *_doors()],
    )
    app.state.reload = asyncio.Event()  # set it, and the file is read anew
    return app


GRAPHQL = Route("/graphql", _Later("graphql"))
PROBES = [
    Route("/livez", health.live),
    Route("/readyz", health.ready),
    Route("/metrics", metrics.scrape),
]


def _doors() -> list[BaseRoute]:
    return [
        Route("/", _page),
        Mount("/static", GZipMiddleware(_Files(directory=STATIC / "static"))),
        GRAPHQL,
        WebSocketRoute("/graphql", _Later("graphql")),
        Route("/session", _session, methods=["GET", "POST", "DELETE"]),
        Route("/session/provider", _leave),
        Route(BACK, _come_back),
        *schemas.ROUTES,
        Route("/push/{source}", inbox.push, methods=list(inbox.METHODS)),
    ]


async def _page(request: Request) -> Response:
    del request
    return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})


async def _session(request: Request) -> Response:
    sessions: Sessions = request.app.state.sessions
    doors = {"GET": sessions.tell, "POST": sessions.open, "DELETE": sessions.end}
    return await doors["GET" if request.method == "HEAD" else request.method](request)


async def _leave(request: Request) -> Response:
    sessions: Sessions = request.app.state.sessions
    return await sessions.leave(request)


async def _come_back(request: Request) -> Response:
    sessions: Sessions = request.app.state.sessions
    return await sessions.come_back(request)


def drain(app: Starlette) -> None:
    """Begin to end: no new work, streams let go, what is under way has a few seconds.

    To be called when the server stops taking connections, so that both happen at once.
    """
    app.state.draining = True
    app.state.graphql.ending.set()
    for loop in app.state.loops:
        loop.cancel()


def _log_of(runtime: Runtime) -> Read:
    async def read(after: int, limit: int) -> list[Change]:
        async with runtime.store.read() as connection:
            return await log.after(connection, after, limit)

    return read


def _head_of(runtime: Runtime) -> Callable[[], Awaitable[int]]:
    async def head() -> int:
        async with runtime.store.read() as connection:
            return await log.head(connection)

    return head
