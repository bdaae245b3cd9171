"""Asks again who the clients are: whoever is nobody any more leaves, who has other roles moves.

A stream is executed for many, so it does not ask for each of them. Here each socket is asked for
once, however many operations it has, by one task for all: a task for each of thousands of sockets,
and a timer, would be most of what a quiet one costs.
"""

import asyncio
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import Context as Variables
from dataclasses import dataclass, field
from typing import Any, Final

from hub.errors import Code, Refused, StoreUnavailable
from hub.graphql.context import Context
from hub.graphql.shared import sight
from hub.live.groups import Member
from hub.signals import Viewer, now

logger = logging.getLogger(__name__)

EVERY: Final = 2.0  # seconds; `hub.web.auth` remembers for a few more who somebody is
TURN: Final = 100  # contexts that are asked for before others have a turn


class Rescoped(Exception):
    """A viewer has other roles, or scopes, than when its stream began."""


@dataclass(slots=True)
class _Watched:
    """What hangs on a context: subscribers by what they saw when they began, and a socket."""

    context: Context
    members: dict[Member, Any] = field(default_factory=dict)
    ended: Callable[[Refused], Any] | None = None

    def end(self, code: Code, message: str, suggestion: str) -> None:
        for member in self.members:
            member.leaves(Refused(code, message, suggestion))
        if self.ended is not None:
            self.ended(Refused(code, message, suggestion))


@dataclass(slots=True)
class Watch:
    _watched: dict[int, _Watched] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None

    @contextmanager
    def over(self, context: Context, member: Member, viewer: Viewer) -> Generator[None]:
        """Watch a subscriber, who began as this viewer."""
        one = self._of(context)
        one.members[member] = sight(viewer)
        try:
            yield
        finally:
            del one.members[member]
            self._leave(one)

    @contextmanager
    def socket(self, context: Context, ended: Callable[[Refused], Any]) -> Generator[None]:
        """Watch whoever opened a socket; `ended` is told why they may stay no longer."""
        one = self._of(context)
        one.ended = ended
        try:
            yield
        finally:
            one.ended = None
            self._leave(one)

    def _of(self, context: Context) -> _Watched:
        if self._task is None:
            # It is nobody's: what is noted of the request of the first is not about it.
            self._task = asyncio.create_task(self._run(), context=Variables())  # noqa: TID251
        return self._watched.setdefault(id(context), _Watched(context))

    def _leave(self, one: _Watched) -> None:
        if not one.members and one.ended is None:
            self._watched.pop(id(one.context), None)

    async def _run(self) -> None:
        try:
            while self._watched:
                await asyncio.sleep(EVERY)
                for place, one in enumerate(tuple(self._watched.values())):
                    try:
                        await _look(one)
                    except Exception:
                        # Whoever else has to leave must be found all the same.
                        logger.exception("who a client is could not be asked; the others are")
                    if place % TURN == 0:
                        await asyncio.sleep(0)
        finally:
            self._task = None


async def _look(one: _Watched) -> None:
    context = one.context
    until = context.known.until if context.known is not None else None
    try:
        await context.renew()
    except Refused as refused:
        if refused.code is Code.UNAUTHENTICATED:
            one.end(refused.code, refused.message, refused.suggestion)
            return
    except StoreUnavailable:
        pass  # nothing is told meanwhile that would have to be hidden
    if context.known is None or (until is not None and until <= now()):
        one.end(Code.UNAUTHENTICATED, "Your sign-in has ended", "Sign in again")
        return
    sees = sight(context.known)
    for member, before in one.members.items():
        if sees != before:
            member.leaves(Rescoped())
