"""Subscriptions over HTTP: server-sent events, and Apollo's parts of a multipart answer.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md (distinct connections), and
https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Protocol

from hub.ahead import end
from hub.errors import Refused
from hub.graphql.context import Context
from hub.graphql.streams import refusal
from hub.graphql.transports.served import Served
from hub.live.told import Behind, Told

HEARTBEAT: Final = 12.0  # seconds between signs of life that keep a quiet stream open


class Framing(Protocol):
    """How a stream is written. `alive` is a sign of life that tells nothing."""

    @property
    def media(self) -> str: ...

    @property
    def alive(self) -> str: ...

    @property
    def end(self) -> str: ...

    def told(self, told: Told) -> str: ...

    def refused(self, refused: Refused) -> str:
        """Say what ends the stream although the operation would have gone on."""


class ServerSent:
    media = "text/event-stream"
    alive = ":\n\n"
    end = "event: complete\ndata:\n\n"

    def told(self, told: Told) -> str:
        """Write an event; its id is what a browser sends as Last-Event-ID to go on."""
        id_ = "" if told.cursor is None else f"id: {told.cursor}\n"
        return f"{id_}event: next\ndata: {told.text}\n\n"

    def refused(self, refused: Refused) -> str:
        return self.told(refusal(refused))


class Parts:
    media = 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0"'
    alive = "\r\n--graphql\r\nContent-Type: application/json\r\n\r\n{}"
    end = "\r\n--graphql--\r\n"

    def told(self, told: Told) -> str:
        return self._part(f'{{"payload":{told.text}}}')

    def refused(self, refused: Refused) -> str:
        return self._part(f'{{"payload":null,{refusal(refused).text[1:]}')

    @staticmethod
    def _part(text: str) -> str:
        return f"\r\n--graphql\r\nContent-Type: application/json\r\n\r\n{text}"


SERVER_SENT: Final = ServerSent()
PARTS: Final = Parts()
UNBUFFERED: Final = {"X-Accel-Buffering": "no"}  # nginx would keep events until they fill a buffer


async def written(
    served: Served, results: AsyncGenerator[Told], context: Context, framing: Framing
) -> AsyncGenerator[str]:
    """Write results as they come.

    When the hub ends it does not say that the stream is complete: so the client connects again,
    and goes on.
    """
    yield framing.alive  # a proxy that waits for a first byte has it
    async with aclosing(results):
        waiting = asyncio.ensure_future(anext(results, None))  # noqa: TID251 - awaited below
        ending = asyncio.ensure_future(served.ending.wait())  # noqa: TID251 - awaited below
        gone = asyncio.ensure_future(context.gone())  # noqa: TID251 - awaited below
        try:
            while True:
                done, _ = await asyncio.wait(
                    {waiting, ending, gone}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED
                )
                if ending in done:
                    return
                if gone in done:
                    yield framing.refused(gone.result())
                    break
                if not done:
                    yield framing.alive
                    continue
                try:
                    told = waiting.result()
                except Behind:
                    return  # nor is this the end: whoever reads on comes again with its last id
                if told is None:
                    break
                yield framing.told(told)
                waiting = asyncio.ensure_future(anext(results, None))  # noqa: TID251
        finally:
            await end(waiting, ending, gone)
    yield framing.end
