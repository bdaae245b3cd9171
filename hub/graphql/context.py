"""What every resolver is handed: who asks, the runtime, and what was loaded for this request."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from strawberry.types import Info as StrawberryInfo

from hub.access import Condition, all_of, holds, may_read, may_see, reads
from hub.config import Config
from hub.digest import digest_of
from hub.errors import Code, Refused, StoreUnavailable
from hub.graphql.loaders import Loaders
from hub.live import Tail
from hub.outline import outline
from hub.route import facts_of
from hub.runtime import Runtime
from hub.signals import Relevance, Scope, Signal, Viewer, now
from hub.store.audit import Actor, actor_of
from hub.store.log import Change

# Raises Refused where there is more to say than that nobody is known by it.
Identify: TypeAlias = Callable[[], Awaitable[Viewer | None]]
LOOK = 2.0  # seconds until a viewer is asked for again to whom nothing was told meanwhile


@dataclass
class Context:
    """One request's, or one socket's, view of the hub.

    `identify` says who asks, and is asked again while a subscription goes on, so that a revoked
    key sees no more. `resumes`: the cursor that the client's own transport goes on from; it wins
    over the `after` of a subscription.
    """

    runtime: Runtime
    tail: Tail
    identify: Identify
    known: Viewer | None
    resumes: str | None = None

    @cached_property
    def loaders(self) -> Loaders:
        return Loaders(self.runtime.store, lambda: self.visible, self.shown)

    async def changed(self, change: Change) -> Signal | None:
        """Give the signal that changed, as it is now and the viewer may see it."""
        return await self.loaders.signal.load(change.signal_id)

    async def judged(self, change: Change) -> Mapping[str, Relevance]:
        """Say how much the signal that changed matters now, by role."""
        return await self.loaders.relevance.load(change.signal_id)

    def changes(self, place: int | None) -> AsyncGenerator[Change]:
        """Follow the log from there on, for a subscription."""
        return self.tail.follow(place)

    def passed(self, seq: int) -> None:
        """Note how far a subscription has looked at the log."""

    def ended(self) -> None:
        """Note that a subscription has looked at all that there is for it in the log."""

    async def renew(self) -> None:
        """Ask again who this is. Raises Refused when what they came with is good no more."""
        self.known = await self.identify()

    async def gone(self) -> Refused:
        """Wait until this viewer may stay no longer; give why. Never ends for who may stay."""
        while self.known is not None:
            until = self.known.until
            left = LOOK if until is None else (until - now()).total_seconds()
            await asyncio.sleep(max(0.0, min(left, LOOK)))
            try:
                await self.renew()
            except Refused as refused:
                if refused.code is Code.UNAUTHENTICATED:
                    return refused
            except StoreUnavailable:
                pass  # nothing is told meanwhile that would have to be hidden
            if until is not None and until <= now():
                break
        return Refused(Code.UNAUTHENTICATED, "Your sign-in has ended", "Sign in again")

    @property
    def viewer(self) -> Viewer:
        """Who asks. Raises Refused when nobody is signed in (any more)."""
        if self.known is None:
            raise Refused(
                Code.UNAUTHENTICATED,
                "Sign in first",
                "Send an API key or a token: Authorization: Bearer ...",
            )
        return self.known

    @property
    def actor(self) -> Actor:
        """Who acts, for the audit."""
        return actor_of(self.viewer)

    @property
    def config(self) -> Config:
        return self.runtime.config

    @property
    def visible(self) -> Condition:
        """What the viewer may see, in the configuration that is in force now."""
        return may_see(self.reader(), self.config.rules)

    @property
    def scope(self) -> str:
        """Tell apart, in every process alike, what may be seen and how it is judged.

        Who goes on from a cursor of another scope would hold what is hidden by now, and lack what
        was.
        """
        viewer, config = self.reader(), self.config
        own = config.roles if viewer.is_admin else config.roles.keys() & viewer.roles
        parts = [(name, config.roles[name].digest, config.judged.get(name)) for name in sorted(own)]
        return digest_of([viewer.is_admin, parts])[:8]

    def reader(self) -> Viewer:
        """Who asks, and may ask at all. Raises Refused."""
        if not self.viewer.may(Scope.READ):
            raise Refused(
                Code.FORBIDDEN,
                "This takes the read scope",
                "Use a key that has it, or have [oidc.grants] give it to your account",
            )
        return self.viewer

    @property
    def readable(self) -> Condition | None:
        """Of which signals the viewer may read more than an outline; None: of all it may see."""
        viewer, roles = self.reader(), self.config.roles
        if not any(name in roles and roles[name].outlines for name in viewer.roles):
            return None
        return may_read(viewer, self.config.rules)

    def shown(self, signal: Signal) -> Signal:
        """Give of a signal that the viewer may see what it may read."""
        readable = self.readable
        if readable is None or holds(readable, facts_of(signal)):
            return signal
        return outline(signal)

    def weighs(self, role: str, signal: Signal) -> bool:
        """Say whether the viewer may know how much a signal matters to a role.

        Not of an outline to a role that reads it whole: its score goes by what was said.
        """
        if not signal.is_outline:
            return True
        known = self.config.roles.get(role)
        return known is not None and not holds(reads(known.rule), facts_of(signal))

    def told(self, condition: Condition) -> Condition:
        """Narrow a condition that looks at what was said: it holds of what may be read only."""
        readable = self.readable
        return condition if readable is None else all_of(readable, condition)

    def role(self, name: str) -> str:
        """Check that the viewer may ask as this role.

        A role that exists but is not the viewer's is reported as one that does not exist.
        """
        viewer = self.reader()
        if name in self.config.roles and (name in viewer.roles or viewer.is_admin):
            return name
        own = sorted(self.config.roles) if viewer.is_admin else sorted(viewer.roles)
        raise Refused(
            Code.NOT_FOUND,
            f"You have no role named {name!r}",
            f"Yours are: {', '.join(own) or 'none'}",
        )

    def admin(self) -> None:
        if not self.viewer.is_admin:
            raise Refused(Code.FORBIDDEN, "This takes a key with the admin scope")


Info: TypeAlias = StrawberryInfo[Context, None]
