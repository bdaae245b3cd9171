"""Endpoints that count: what came under which id, from which change, and how it was answered."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from hub.signing import new_secret
from tests.crash.truth import Listener
from tests.servers import serve

SLOW = 0.3  # seconds


@dataclass(frozen=True, slots=True)
class Got:
    """One request that was signed rightly. `taken`: it was answered with success."""

    id: str
    subject: str
    sequence: int
    data: dict[str, Any]
    body: bytes
    taken: bool


@dataclass(slots=True)
class Receiver:
    """The endpoint of one listener. It may be slow, and it may refuse an id when it first comes."""

    listener: Listener
    slow: bool = False
    refuses: bool = False
    secret: str = field(default_factory=new_secret)
    got: list[Got] = field(default_factory=list)
    forged: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[str]:
        """Give the table of hub.toml that sends here."""
        app = Starlette(routes=[Route("/hook", self._take, methods=["POST"])])
        async with serve(app) as url:
            yield self.listener.table(f"{url}/hook", self.secret)

    def by_change(self) -> dict[int, list[Got]]:
        found: dict[int, list[Got]] = defaultdict(list)
        for one in self.got:
            found[one.sequence].append(one)
        return found

    async def _take(self, request: Request) -> Response:
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response(status_code=400)  # the sender died while it sent: nothing came
        try:
            Webhook(self.secret).verify(body, dict(request.headers))
        except WebhookVerificationError as error:
            self.forged.append(str(error))
            return Response(status_code=401)
        id_, event = request.headers["webhook-id"], json.loads(body)
        is_first = all(one.id != id_ for one in self.got)
        taken = not (self.refuses and is_first and int(event["sequence"]) % 5 == 0)
        # Noted before the answer: the hub may be gone when it comes.
        self.got.append(
            Got(id_, event["subject"], int(event["sequence"]), event["data"], body, taken)
        )
        if self.slow:
            await asyncio.sleep(SLOW)
        return Response(status_code=204 if taken else 503)


@asynccontextmanager
async def receiving(*receivers: Receiver) -> AsyncGenerator[str]:
    """Open every endpoint; give what hub.toml says of them."""
    async with AsyncExitStack() as stack:
        tables = [await stack.enter_async_context(one.listening()) for one in receivers]
        yield "".join(tables)
