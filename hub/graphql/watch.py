"""Asks again who the subscribers are: each leaves its stream when it sees by other roles than then.

A stream is executed for many, so it does not ask for each of them. Here each socket is asked for
once, however many operations it has, and no more than one look at the database is made of a key.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import Context as Variables
from dataclasses import dataclass, field
from typing import Any, Final

from hub.errors import Refused, StoreUnavailable
from hub.graphql.context import Context
from hub.graphql.shared import sight
from hub.live.groups import Member
from hub.signals import Viewer

EVERY: Final = 2.0  # seconds; `hub.web.auth` remembers for a few more who somebody is


class Rescoped(Exception):
    """A viewer has other roles, or scopes, than when its stream began."""


@dataclass(slots=True)
class Watch:
    _members: dict[int, tuple[Context, dict[Member, Any]]] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None

    @contextmanager
    def over(self, context: Context, member: Member, viewer: Viewer) -> Generator[None]:
        """Watch a subscriber, who began as this viewer."""
        watched = self._members.setdefault(id(context), (context, {}))[1]
        watched[member] = sight(viewer)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), context=Variables())  # noqa: TID251
        try:
            yield
        finally:
            del watched[member]
            if not watched:
                self._members.pop(id(context), None)

    async def _run(self) -> None:
        try:
            while self._members:
                await asyncio.sleep(EVERY)
                for context, members in tuple(self._members.values()):
                    await self._look(context, members)
        finally:
            self._task = None

    async def _look(self, context: Context, members: dict[Member, Any]) -> None:
        try:
            await context.renew()
            now = sight(context.viewer)
        except Refused as refused:
            for member in members:
                member.leaves(Refused(refused.code, refused.message, refused.suggestion))
            return
        except StoreUnavailable:
            return  # nothing is told meanwhile that would have to be hidden
        for member, before in members.items():
            if now != before:
                member.leaves(Rescoped())
