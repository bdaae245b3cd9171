"""How the schema is served: HTTP, server-sent events and WebSockets on one path."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from hub.graphql.admission import Admission
from hub.graphql.context import Context
from hub.graphql.replies import Replies
from hub.graphql.schema import Schema
from hub.graphql.shelf import Shelf
from hub.graphql.streams import Streams
from hub.graphql.transports.http import answer
from hub.graphql.transports.persisted import Persisted
from hub.graphql.transports.repeats import Doorkeeper, Repeats
from hub.graphql.transports.served import Served
from hub.graphql.transports.websocket import Socket
from hub.live import Tail
from hub.live.groups import Groups
from hub.runtime import Runtime


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
    served: Served = field(init=False)

    def __post_init__(self) -> None:
        settings, documents = self.runtime.settings, self.schema.documents
        replies = Replies(self.schema, settings.response_cache * 1024 * 1024)
        admission = Admission(documents.limits)
        served = Served(
            self.schema,
            Persisted(self.runtime.store, documents, settings.documents, self.own),
            replies,
            Repeats(self.runtime, replies, admission, self.doorkeeper),
            Streams(
                self.schema,
                Groups(lambda: self.tail.seq),
                Shelf(self.runtime.store, self.tail),
            ),
            admission,
            self.context,
            self.ending,
        )
        object.__setattr__(self, "served", served)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await Socket(self.served, self.origins).serve(scope, receive, send)
        else:
            await answer(self.served, scope, receive, send)

    async def context(self, connection: HTTPConnection, token: str | None = None) -> Context:
        identify = self.doorkeeper(connection, token)
        return Context(self.runtime, self.tail, identify, await identify())
