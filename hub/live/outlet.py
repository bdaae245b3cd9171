"""What goes out over one connection: at once while it takes it, else it waits here, and not much.

A message for a thousand connections is written in one turn of the loop. A task for each of them
would cost as much again as the writing does. So `send` of ASGI, a coroutine that waits only while
the connection takes no more, is begun where we are; a task ends it where it had to wait.
"""

import asyncio
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator, MutableMapping
from typing import Any, Final

from hub.live.told import Behind, Told

QUEUE: Final = 256  # messages that wait for a connection
PATIENCE: Final = 10.0  # seconds that a connection may take nothing while it is owed something

Message = MutableMapping[str, Any]
Send = Callable[[Message], Coroutine[Any, Any, None]]


class Outlet:
    """One connection's way out; whatever is sent over it goes through here, and so in order."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: deque[tuple[Line | None, Any]] = deque()
        self._draining: asyncio.Task[None] | None = None
        self._is_closed = False
        self._taken = 0  # messages that the connection took after it had let us wait

    def __len__(self) -> int:
        """Count the messages that wait."""
        return len(self._waiting)

    def put(self, line: "Line", told: Told) -> bool:
        """Send now, or when the connection takes it; False where too much waits already."""
        if self._draining is None:
            self.begin(line.frame(told))
            return True
        if len(self._waiting) >= QUEUE:
            return False
        self._waiting.append((line, told))
        return True

    async def send(self, message: Message) -> None:
        """Send after all that waits; come back when the connection has taken it."""
        if self._draining is None:
            self.begin(message)
        else:
            self._waiting.append((None, message))
        await self.drained()

    async def drained(self, patience: float | None = None) -> bool:
        """Wait until nothing waits; False once nothing was taken for so many seconds."""
        while self._draining is not None:
            taken = self._taken
            await asyncio.wait({self._draining}, timeout=patience)
            if self._draining is not None and self._taken == taken:
                return False
        return True

    def forget(self, line: "Line") -> None:
        """Drop what waits of a line: whoever falls behind reads it in the log."""
        self._waiting = deque(one for one in self._waiting if one[0] is not line)

    def close(self) -> None:
        """Drop all that waits: the connection is gone, or as good as gone."""
        self._is_closed = True
        self._waiting.clear()
        if self._draining is not None:
            self._draining.cancel()

    def begin(self, message: Message) -> None:
        """Send where nothing waits."""
        if self._is_closed:
            return
        sending = self._send(message)
        try:
            waiting_for = sending.send(None)
        except StopIteration:
            return
        except OSError:
            self._is_closed = True  # the client left; who reads from it is told so
            return
        # Nothing may hold a task group for it: this is where no task was wanted.
        self._draining = asyncio.create_task(self._drain(sending, waiting_for))  # noqa: TID251

    async def _drain(self, sending: Coroutine[Any, Any, None], waiting_for: Any) -> None:
        try:
            await _resumed(sending, waiting_for)
            self._taken += 1
            while self._waiting:
                line, what = self._waiting.popleft()
                await self._send(what if line is None else line.frame(what))
                self._taken += 1
        except OSError:
            self._is_closed = True
            self._waiting.clear()
        finally:
            self._draining = None


@types.coroutine
def _resumed(coroutine: Coroutine[Any, Any, None], waiting_for: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine that was begun elsewhere, and waits for this."""
    while True:
        try:
            value = yield waiting_for
        except BaseException as error:  # noqa: BLE001 - it is the coroutine's: a cancellation
            step: Callable[[Any], Any] = coroutine.throw
            given: Any = error
        else:
            step, given = coroutine.send, value
        try:
            waiting_for = step(given)
        except StopIteration:
            return


class Line:
    """One operation's part of an outlet. `frame` writes what is told as a message of ASGI.

    `cursor` is that of the last event that was handed to the connection; `errors` are those it was
    told of, one of each code.
    """

    __slots__ = ("_frame", "cursor", "errors", "outlet")

    def __init__(self, outlet: Outlet, frame: Callable[[Told], Message]) -> None:
        self.outlet = outlet
        self.cursor: str | None = None
        self.errors: dict[str | None, Any] = {}
        self._frame = frame

    def frame(self, told: Told) -> Message:
        if told.cursor is not None:
            self.cursor = told.cursor
        for error in told.errors:
            self.errors[(error.extensions or {}).get("code")] = error
        return self._frame(told)

    def put(self, told: Told) -> bool:
        return self.outlet.put(self, told)

    async def send(self, told: Told) -> None:
        """Send, and come back when it was taken. Raises Behind when nothing is for too long."""
        await self.drained()
        self.put(told)
        await self.drained()

    async def drained(self) -> None:
        """Wait until all was taken. Raises Behind when nothing is for too long."""
        if not await self.outlet.drained(PATIENCE):
            self.outlet.forget(self)
            raise Behind(self.cursor)
