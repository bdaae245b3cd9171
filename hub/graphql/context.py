"""What every resolver is handed: who asks, the runtime, and what was loaded for this request."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from strawberry.types import Info as StrawberryInfo

from hub.access import Condition, Says, may_see
from hub.config import Config
from hub.errors import Code, Refused, StoreUnavailable
from hub.graphql.loaders import Loaders
from hub.live import Tail
from hub.runtime import Runtime
from hub.signals import Scope, Viewer, now
from hub.store.audit import Actor, actor_of
from hub.words import read_query

# Raises Refused where there is more to say than that nobody is known by it.
Identify: TypeAlias = Callable[[], Awaitable[Viewer | None]]
LOOK = 30.0  # seconds until a viewer is asked for again to whom nothing was told meanwhile


@dataclass
class Context:
    """One request's, or one socket's, view of the hub.

    `identify` says who asks, and is asked again while a subscription goes on, so that a revoked
    key sees no more.
    """

    runtime: Runtime
    tail: Tail
    identify: Identify
    known: Viewer | None
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        self.loaders = Loaders(self.runtime.store, lambda: self.visible)

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

    def reader(self) -> Viewer:
        """Who asks, and may ask at all. Raises Refused."""
        if not self.viewer.may(Scope.READ):
            raise Refused(Code.FORBIDDEN, "This takes a key with the read scope")
        return self.viewer

    def says(self, query: str) -> Says:
        """Make a condition of what is searched for. Raises Refused where it cannot be."""
        read_query(query)
        return Says(query)

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
