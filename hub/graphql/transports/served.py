"""What every transport works with."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import HTTPConnection

from hub.graphql.admission import Admission
from hub.graphql.context import Context
from hub.graphql.limits import Limits
from hub.graphql.replies import Replies
from hub.graphql.schema import Schema
from hub.graphql.streams import Streams
from hub.graphql.transports.persisted import Persisted
from hub.graphql.transports.repeats import Repeats


class MakeContext(Protocol):
    async def __call__(self, connection: HTTPConnection, token: str | None = None) -> Context:
        """Find out who comes over a connection, with the token of `connection_init` if any."""


@dataclass(frozen=True, slots=True)
class Served:
    """`ending` is set when the process ends."""

    schema: Schema
    persisted: Persisted
    replies: Replies
    repeats: Repeats
    streams: Streams
    admission: Admission
    context: MakeContext
    ending: asyncio.Event

    @property
    def limits(self) -> Limits:
        return self.schema.documents.limits
