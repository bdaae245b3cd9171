"""How the schema is served: HTTP, server-sent events and WebSockets on one path."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from hub.graphql.context import Context, Identify
from hub.graphql.replies import Replies
from hub.graphql.schema import Schema
from hub.graphql.transports.http import answer
from hub.graphql.transports.persisted import Persisted
from hub.graphql.transports.websocket import Socket
from hub.live import Tail
from hub.runtime import Runtime

# Says how to identify who comes over a connection, with the token of `connection_init` if any.
Doorkeeper = Callable[[HTTPConnection, str | None], Identify]


@dataclass(frozen=True, slots=True)
class GraphQL:
    """The ASGI app of `/graphql`. `origins`: pages elsewhere that may open a socket here.

    `own`: documents of the hub's own page, by their hash. `ending` is set when the process ends.
    """

    schema: Schema
    runtime: Runtime
    tail: Tail
    doorkeeper: Doorkeeper
    origins: Collection[str] = ()
    own: Mapping[str, str] = field(default_factory=dict)
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    replies: Replies = field(init=False)
    persisted: Persisted = field(init=False)

    def __post_init__(self) -> None:
        most = self.runtime.settings.response_cache * 1024 * 1024
        object.__setattr__(self, "replies", Replies(self.schema, most))
        takes = self.runtime.settings.documents
        persisted = Persisted(self.runtime.store, self.schema.documents, takes, self.own)
        object.__setattr__(self, "persisted", persisted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            socket = Socket(self.schema, self.persisted, self.context, self.origins)
            await socket.serve(scope, receive, send)
        else:
            await answer(
                self.schema,
                self.persisted,
                self.replies,
                self.context,
                self.ending,
                scope,
                receive,
                send,
            )

    async def context(self, connection: HTTPConnection, token: str | None = None) -> Context:
        identify = self.doorkeeper(connection, token)
        return Context(self.runtime, self.tail, identify, await identify())
