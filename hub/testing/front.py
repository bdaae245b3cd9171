"""What stands before a twin: it writes down what is asked, and plays faults of HTTP."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer; `declares` is a length that the body does not have."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    declares: int | None = None

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    def saying(self, body: bytes) -> "Answered":
        return replace(self, body=body)


Ask: TypeAlias = Callable[[], Awaitable[Answered]]
Trouble: TypeAlias = Callable[[Asked, Ask], Awaitable[Answered]]


async def none(asked: Asked, ask: Ask) -> Answered:
    """Play nothing."""
    del asked
    return await ask()


@dataclass(slots=True)
class Front:
    """An ASGI app before another, which may change while it is served."""

    app: ASGIApp | None = None
    trouble: Trouble = none
    asked: list[Asked] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        body = await _body(receive)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode()
        asked = Asked(scope["method"], scope["path"], query, headers, body)
        self.asked.append(asked)

        async def ask() -> Answered:
            assert self.app is not None, "a twin is put behind before anybody asks"
            return await _ask(self.app, scope, body)

        await _answer(send, await self.trouble(asked, ask))


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _ask(app: ASGIApp, scope: Scope, body: bytes) -> Answered:
    started: dict[str, Any] = {}
    parts: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        else:
            parts.append(message.get("body", b""))

    await app(dict(scope), receive, send)
    headers = {name.decode(): value.decode("latin-1") for name, value in started["headers"]}
    return Answered(started["status"], headers, b"".join(parts))


async def _answer(send: Send, answered: Answered) -> None:
    length = len(answered.body) if answered.declares is None else answered.declares
    headers = {**answered.headers, "content-length": str(length)}
    if answered.status in {204, 304}:
        del headers["content-length"]
    await send(
        {
            "type": "http.response.start",
            "status": answered.status,
            "headers": [
                (name.encode(), value.encode("latin-1")) for name, value in headers.items()
            ],
        }
    )
    await send({"type": "http.response.body", "body": answered.body, "more_body": False})
