"""graphql-transport-ws (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md)."""

import asyncio
import logging
from collections.abc import Collection
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import orjson
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.types.graphql import OperationType

from hub import metrics
from hub.errors import Code, Refused, StoreUnavailable
from hub.graphql.context import Context
from hub.graphql.limits import Limits, over
from hub.graphql.streams import refusal
from hub.graphql.transports.requests import Asked, read_payload
from hub.graphql.transports.served import Served
from hub.live.outlet import Line, Message, Outlet
from hub.live.told import Behind, Told

PROTOCOL = "graphql-transport-ws"
INIT_WITHIN = 3.0  # seconds
REASON = 120  # letters of why a socket is closed: the protocol has room for 123 bytes

logger = logging.getLogger(__name__)


class Closed(Exception):
    """The protocol was broken: close with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Socket:
    """One connection and its operations."""

    def __init__(self, served: Served, origins: Collection[str]) -> None:
        self._served = served
        self._origins = origins
        self._held = ExitStack()  # the place of this socket among those of its key
        self._context: Context | None = None
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._outlet: Outlet

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        if not self._is_known(socket):
            await socket.close(1008)  # before the handshake: the client gets 403
            return
        if PROTOCOL not in scope.get("subprotocols", ()):
            await socket.accept()
            await socket.close(4406, "Subprotocol not acceptable")
            return
        await socket.accept(PROTOCOL)
        try:
            self._held.enter_context(self._served.admission.connected())
        except Refused as refused:
            await socket.close(1013, str(refused)[:REASON])
            return
        self._outlet = Outlet(send)  # type: ignore[arg-type]  # ty: ignore[invalid-argument-type]  # a coroutine, as of all servers
        metrics.sockets.inc()
        try:
            with self._held:
                await self._serve(socket)
        finally:
            metrics.sockets.dec()

    async def _serve(self, socket: WebSocket) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                try:
                    await self._converse(socket, tasks)
                finally:
                    self._outlet.close()
                    for operation in self._operations.values():
                        operation.cancel()
        except* Closed as group:
            broken = next(error for error in group.exceptions if isinstance(error, Closed))
            await socket.close(broken.code, broken.reason)
        except* WebSocketDisconnect:
            pass  # the client left; its operations ended with it
        except* Exception:
            # It may come again: another time, or another process, may be without this fault.
            logger.exception("a socket failed")
            await socket.close(4500, "Internal server error")

    async def _converse(self, socket: WebSocket, tasks: asyncio.TaskGroup) -> None:
        try:
            async with asyncio.timeout(INIT_WITHIN) as deadline:
                while True:
                    message = _message(await _text(socket), self._served.limits)
                    if message["type"] == "connection_init":
                        deadline.reschedule(None)
                    await self._handle(socket, tasks, message)
        except TimeoutError:
            raise Closed(4408, "Connection initialisation timeout") from None

    async def _handle(
        self, socket: WebSocket, tasks: asyncio.TaskGroup, message: dict[str, Any]
    ) -> None:
        match message["type"]:
            case "connection_init":
                await self._init(socket, tasks, message.get("payload") or {})
            case "ping":
                await self._send({"type": "pong"})
            case "pong":
                pass
            case "subscribe":
                await self._subscribe(tasks, message["id"], message["payload"])
            case "complete":
                if operation := self._operations.pop(message["id"], None):
                    operation.cancel()

    async def _init(
        self, socket: WebSocket, tasks: asyncio.TaskGroup, given: dict[str, Any]
    ) -> None:
        if self._context is not None:
            raise Closed(4429, "Too many initialisation requests")
        try:
            self._context = await self._served.context(socket, _token(given))
        except StoreUnavailable:
            raise Closed(1013, "The database cannot be used right now: try again") from None
        except Refused as refused:
            raise _forbidden(refused) from None
        if self._context.known is None:
            raise Closed(4403, "Forbidden: sign in with an API key")
        try:
            place = self._served.admission.streaming(self._context.known)
            self._held.enter_context(place)
        except Refused as refused:
            raise Closed(1013, str(refused)[:REASON]) from None  # which clients try again after
        watching = self._served.streams.watch.socket(
            self._context, lambda refused: _leave(tasks, refused)
        )
        self._held.enter_context(watching)
        await self._send({"type": "connection_ack"})

    async def _subscribe(self, tasks: asyncio.TaskGroup, id_: str, asked: Asked | Refused) -> None:
        if self._context is None:
            raise Closed(4401, "Unauthorized")
        if id_ in self._operations:
            raise Closed(4409, f"Subscriber for {id_} already exists")
        if len(self._operations) >= (most := self._served.limits.subscriptions):
            asked = over("subscriptions", None, most)
        if isinstance(asked, Refused):
            errors = orjson.loads(refusal(asked).text)["errors"]
            await self._send({"id": id_, "type": "error", "payload": errors})
            return
        self._operations[id_] = tasks.create_task(self._operate(id_, asked, self._context))

    async def _operate(self, id_: str, asked: Asked, context: Context) -> None:
        me = asyncio.current_task()
        head, is_over = f'{{"id":{orjson.dumps(id_).decode()},"type":', False

        def framed(told: Told) -> Message:
            nonlocal is_over
            if told.executed:
                return _text_of(f'{head}"next","payload":{told.text}}}')
            is_over = True
            self._forget(id_, me)
            errors = orjson.dumps(orjson.loads(told.text)["errors"]).decode()
            return _text_of(f'{head}"error","payload":{errors}}}')

        try:
            self._served.admission.admit(context.viewer)
            document = await self._served.persisted.read(asked)
            kind = document.operation(asked.operation_name) if document.node else None
            if kind is OperationType.SUBSCRIPTION:
                line = Line(self._outlet, framed)
                await self._served.streams.deliver(
                    document, context, asked.variables, asked.operation_name, line
                )
            else:
                with self._served.admission.running(context.viewer):
                    reply = await self._served.replies.of(
                        document, context, asked.variables, asked.operation_name
                    )
                told = Told(reply.body.decode(), executed=reply.executed)
                await self._outlet.send(framed(told))
            if not is_over:
                self._forget(id_, me)
                await self._send({"id": id_, "type": "complete"})
        except Behind as behind:
            await self._outlet.send(framed(refusal(_resumable(behind))))
        except Exception as error:  # noqa: BLE001 - present() logs it; other operations go on
            await self._outlet.send(framed(refusal(error)))

    async def _send(self, message: dict[str, Any]) -> None:
        await self._outlet.send(_text_of(orjson.dumps(message).decode()))

    def _forget(self, id_: str, task: asyncio.Task[None] | None) -> None:
        """Free the id before the last message, so that the client may use it again at once."""
        if self._operations.get(id_) is task:
            del self._operations[id_]

    def _is_known(self, socket: WebSocket) -> bool:
        """Check the page that opens the socket: a browser sends its cookies along."""
        origin = socket.headers.get("origin")
        if origin is None or origin in self._origins:
            return True
        return urlsplit(origin).netloc.lower() == socket.headers.get("host", "").lower()


def _leave(tasks: asyncio.TaskGroup, refused: Refused) -> None:
    """Close the socket: what opened it is good no more."""

    async def leave() -> None:
        raise _forbidden(refused)

    leaving = leave()
    try:
        tasks.create_task(leaving)
    except RuntimeError:
        leaving.close()  # it ends already


def _forbidden(refused: Refused) -> Closed:
    """Close so that a client comes again, with a new token (4401 would make it give up)."""
    if refused.code is Code.UNAVAILABLE:
        return Closed(1013, refused.message)
    return Closed(4403, f"Forbidden: {refused.message}")


async def _text(socket: WebSocket) -> str:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    text = message.get("text")
    if text is None:
        raise Closed(4400, "A message is text, not binary")
    return str(text)


def _message(text: str, limits: Limits) -> dict[str, Any]:
    """Check a message before anything looks into it. Raises Closed(4400)."""
    try:
        message = orjson.loads(text)
    except (ValueError, RecursionError):
        raise Closed(4400, "A message must be valid JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise Closed(4400, "A message is an object with a type")
    kind = message["type"]
    if kind not in {"connection_init", "ping", "pong", "subscribe", "complete"}:
        raise Closed(4400, f"Unknown message type: {kind[:40]}")
    given = message.get("payload")
    if kind in {"connection_init", "ping", "pong"} and not isinstance(given, dict | None):
        raise Closed(4400, f"The payload of {kind} is an object")
    if kind in {"subscribe", "complete"} and not _is_id(message.get("id")):
        raise Closed(4400, f"The id of {kind} is a text that is not empty")
    if kind == "subscribe":
        if not isinstance(given, dict):
            raise Closed(4400, "The payload of subscribe is an object")
        try:
            message["payload"] = read_payload(given, limits)
        except Refused as refused:
            raise Closed(4400, str(refused)[:REASON]) from None
    return message


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _token(given: dict[str, Any]) -> str | None:
    """Find a key in the payload of connection_init: `{"authorization": "Bearer hub_..."}`."""
    for name in ("authorization", "Authorization", "token"):
        value = given.get(name)
        if isinstance(value, str):
            return value.removeprefix("Bearer ").strip()
    return None


def _text_of(text: str) -> Message:
    return {"type": "websocket.send", "text": text}


def _resumable(behind: Behind) -> Refused:
    return Refused(
        Code.FELL_BEHIND,
        "You took nothing of what you are told for too long",
        "Subscribe again, `after` the cursor in extensions.resumeFrom",
        {"resumeFrom": behind.cursor},
    )
