"""Requests that came before, byte for byte: answered without being read again.

A request says the same whenever it is sent: what it asks, in which form, and what shows who sends
it. So it is noted of one that was answered, and whose answer is kept, which question that was. Of
the same request only this is looked at anew: whether the doorkeeper still remembers who sends it,
as whom; what version the data have, and which configuration is in force, since the answer may no
longer be the answer; and whether it is their turn. All else goes the ordinary way, and so does what
is refused here: that knows the errors.

No answer is kept here (see `hub.graphql.answers`), and nothing that shows who somebody is.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from time import monotonic, perf_counter
from typing import Final, Protocol, TypeAlias

from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from hub import traces
from hub.errors import Refused
from hub.graphql.admission import Admission, Place
from hub.graphql.answers import Question, alike
from hub.graphql.context import Identify
from hub.graphql.errors import counted
from hub.graphql.replies import Replies
from hub.runtime import Runtime
from hub.signals import Viewer

MOST: Final = 4 * 1024 * 1024  # bytes of bodies that are known again
LONGEST: Final = 16 * 1024  # bytes of one; what is longer is read
WEIGHT: Final = 1024  # of what is noted beside a body, about

# These are another with every request, and say nothing about its answer.
_PASSING: Final = frozenset({b"x-request-id", b"traceparent", b"tracestate"})

_Head: TypeAlias = bytes
Header: TypeAlias = tuple[bytes, bytes]


class Doorkeeper(Protocol):
    """Knows who comes over a connection."""

    def __call__(self, connection: HTTPConnection, token: str | None = None) -> Identify:
        """Say how to identify who comes, with the token of `connection_init` if any."""

    def credential(self, connection: HTTPConnection) -> str | None:
        """Name what somebody shows, not so that it could be shown; None for nothing."""

    def remembered(self, credential: str) -> Viewer | None:
        """Say whose that is, as long as nobody has to be asked."""


@dataclass(slots=True)
class _Sender:
    """Whose requests begin with one head; `noted`: how many of them.

    `seen`: as whom they came last, and who sees alike.
    """

    credential: str
    noted: int = 0
    seen: tuple[Viewer, Viewer] | None = None

    def alike(self, viewer: Viewer) -> Viewer:
        if self.seen is None or self.seen[0] is not viewer:
            self.seen = (viewer, alike(viewer))
        return self.seen[1]


@dataclass(frozen=True, slots=True)
class Repeat:
    """What a request was found to ask. `headers`: of its answer, whatever its length.

    `until`: when a document that it names has to be looked up again, on the monotonic clock.
    """

    question: Question
    headers: Sequence[Header]
    until: float


@dataclass(frozen=True, slots=True)
class Again:
    """An answer that is given again; it has its place until it is given."""

    headers: Sequence[Header]
    body: bytes
    place: Place

    async def give(self, send: Send, more: Sequence[Header]) -> None:
        """Give it, with headers that all answers have."""
        try:
            length = (b"content-length", b"%d" % len(self.body))
            headers = [*self.headers, length, *more]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": self.body})
        finally:
            self.place.__exit__()


@dataclass(slots=True)
class Repeats:
    """The requests that came last; `most` bytes of them."""

    runtime: Runtime
    replies: Replies
    admission: Admission
    doorkeeper: Doorkeeper
    most: int = MOST
    _senders: dict[_Head, _Sender] = field(default_factory=dict)
    _noted: OrderedDict[tuple[_Head, bytes], Repeat] = field(default_factory=OrderedDict)
    _bytes: int = 0

    async def find(self, scope: Scope, receive: Receive) -> tuple[Again | None, Receive]:
        """Find the answer to what came before; None where it must be read, as is told how."""
        if not self._noted or not self.replies.answers.most or traces.wanted():
            return None, receive
        head = _head(scope)
        sender = self._senders.get(head)
        # Who comes, before anything of theirs is read; its head says how much that may be.
        if sender is None or (viewer := self.doorkeeper.remembered(sender.credential)) is None:
            return None, receive
        message, body = None, b""
        if scope["method"] == "POST":
            message = _received(receive)
            if message is None:
                return None, receive
            if message.get("more_body", False):
                return None, _again(message, receive)
            body = message.get("body", b"")
        request = (head, body)
        repeat = self._noted.get(request)
        if repeat is not None and repeat.until > monotonic():
            self._noted.move_to_end(request)
            sees = sender.alike(viewer)
            asked = repeat.question.viewer
            if sees is asked or sees == asked:
                again = await self._kept(repeat, viewer)
                if again is not None:
                    return again, receive
        return None, receive if message is None else _again(message, receive)

    async def _kept(self, repeat: Repeat, viewer: Viewer) -> Again | None:
        """Give an answer that is kept and still the answer, if it is this viewer's turn."""
        began = perf_counter()
        answers = self.replies.answers
        version = await self.runtime.store.version()
        if version is None:
            return None
        body = answers.kept(repeat.question, version, self.runtime.config)
        if body is None:
            return None
        place = self.admission.running(viewer)
        try:
            place.__enter__()
        except Refused:
            return None
        try:
            self.admission.admit(viewer)
        except Refused:
            place.__exit__()
            return None
        answers.count(kept=True)
        counted("query", (), perf_counter() - began)
        return Again(repeat.headers, body, place)

    def note(self, connection: HTTPConnection, body: bytes, repeat: Repeat) -> None:
        """Note what a request asked that was answered, and whose answer is kept."""
        scope = connection.scope
        credential = self.doorkeeper.credential(connection)
        sized = scope["method"] == "GET" or "content-length" in connection.headers
        if credential is None or not sized or len(body) > LONGEST or repeat.until <= monotonic():
            return
        head = _head(scope)
        self._drop((head, body))
        self._senders.setdefault(head, _Sender(credential)).noted += 1
        self._noted[head, body] = repeat
        self._bytes += len(body) + WEIGHT
        while self._bytes > self.most:
            self._drop(next(iter(self._noted)))

    def _drop(self, request: tuple[_Head, bytes]) -> None:
        if self._noted.pop(request, None) is not None:
            head, body = request
            self._bytes -= len(body) + WEIGHT
            sender = self._senders[head]
            sender.noted -= 1
            if not sender.noted:
                del self._senders[head]


def _head(scope: Scope) -> _Head:
    """Give all of a request that stands before its body as a digest: it has somebody's key in it.

    Everything but what passes: what an answer depends on cannot be forgotten here.
    """
    parts = [scope["method"].encode(), scope["scheme"].encode(), scope["query_string"]]
    for name, value in scope["headers"]:
        if name not in _PASSING:
            parts += (name, value)
    return sha256(b"\n".join(parts)).digest()  # no line of a head has a line end in it


def _received(receive: Receive) -> Message | None:
    """Receive what is there already; None, and nothing is lost, where it would have to be awaited.

    Whoever waits for a body does so for a limited time, and setting a clock takes a while itself.
    """
    waiting = receive().__await__()
    try:
        next(waiting)
    except StopIteration as received:
        message: Message = received.value
        return message
    waiting.close()
    return None


def _again(message: Message, receive: Receive) -> Receive:
    """Receive once more what was received."""
    waiting = [message]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received
