"""Who comes: an API key or a provider's token in a header, or a session that either opened."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

from starlette.requests import HTTPConnection

from hub.config import Config
from hub.graphql.context import Identify
from hub.oidc import SignIn, is_token, viewer_of
from hub.signals import Viewer, now
from hub.store import Store
from hub.store.keys import digest, viewer_of_id, viewer_of_key
from hub.store.sessions import Session, end_session, open_session, session_of
from hub.web.cookies import SESSION, Cookies

KEY_SESSION = timedelta(hours=12)
FRESH_SECONDS = 2.5  # how long a look-up holds: a revoked key works no longer than this
REMEMBERED = 4096


@dataclass(slots=True)
class Doorkeeper:
    """Identifies whoever comes over a connection, remembering each for a few seconds.

    `config` gives the configuration that is in force at the time.
    """

    store: Store
    sign_in: SignIn
    config: Callable[[], Config]
    cookies: Cookies
    _known: dict[str, tuple[float, Viewer | None]] = field(default_factory=dict)
    _turns: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def __call__(self, connection: HTTPConnection, token: str | None = None) -> Identify:
        key, cookie = self._shown(connection, token)
        # Named once: a socket is asked about for as long as it is open.
        name = _key(key) if key is not None else _session(cookie) if cookie is not None else None

        async def identify() -> Viewer | None:
            if key is not None and name is not None:
                look = self._of_token if is_token(key) else self._look_up
                return await self._looked_for(name, look, key)
            if cookie is not None and name is not None:
                return await self._looked_for(name, self._of_session, cookie)
            return None

        return identify

    def credential(self, connection: HTTPConnection) -> str | None:
        """Name what somebody shows by its hash; None for nothing."""
        key, cookie = self._shown(connection)
        if key is not None:
            return _key(key)
        return _session(cookie) if cookie is not None else None

    def remembered(self, credential: str) -> Viewer | None:
        """Say whose that is, unless it must be looked up, or is nobody's."""
        held = self._known.get(credential)
        return held[1] if held is not None and held[0] > time.monotonic() else None

    def _shown(
        self, connection: HTTPConnection, token: str | None = None
    ) -> tuple[str | None, str | None]:
        """Give the key, or else the cookie, that somebody comes with."""
        key = token or bearer(connection)
        return key, self.cookies.read(connection, SESSION) if key is None else None

    async def _looked_for(self, name: str, look: Callable[[str], Any], shown: str) -> Viewer | None:
        if (held := self._known.get(name)) and held[0] > time.monotonic():
            return held[1]
        turn = self._turns[name] = self._turns.get(name) or asyncio.Lock()
        async with turn:  # of many who come with the same at once, one looks
            if (held := self._known.get(name)) and held[0] > time.monotonic():
                return held[1]
            return await self._looked(name, look, shown)

    async def _looked(self, name: str, look: Callable[[str], Any], shown: str) -> Viewer | None:
        clock = time.monotonic()
        viewer: Viewer | None = await look(shown)
        until = clock + FRESH_SECONDS
        if viewer is not None and viewer.until is not None:
            until = min(until, clock + (viewer.until - now()).total_seconds())
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[name] = (until, viewer)
        return viewer

    async def _look_up(self, key: str) -> Viewer | None:
        async with self.store.read() as connection:
            return await viewer_of_key(connection, key, now())

    async def _of_token(self, token: str) -> Viewer | None:
        return await self.sign_in.viewer(token, self.config().oidc)

    async def _of_session(self, cookie: str) -> Viewer | None:
        async with self.store.read() as connection:
            session = await session_of(connection, cookie, now())
            if session is None:
                return None
            if session.key_id is not None:
                viewer = await viewer_of_id(connection, session.key_id, now())
            else:
                viewer = self._vouched(session)
        if viewer is None:
            return None
        ends = min(session.ends_at, viewer.until or session.ends_at)
        return replace(viewer, until=ends)

    def _vouched(self, session: Session) -> Viewer | None:
        """Say what a sign-in permits by the grants of now: one of another provider, nothing."""
        oidc = self.config().oidc
        if oidc is None or oidc.issuer != session.issuer or session.claims is None:
            return None
        return replace(viewer_of(session.claims, oidc), until=session.ends_at)

    async def open(self, session: Session, instead_of: str | None) -> str:
        """Open a session, in place of the one that the browser had; give its cookie."""
        async with self.store.write() as connection:
            if instead_of is not None:
                await end_session(connection, instead_of)
            return await open_session(connection, session, now())

    async def end(self, cookie: str) -> None:
        """End a session, here at once and elsewhere within seconds."""
        async with self.store.write() as connection:
            await end_session(connection, cookie)
        self._known.pop(_session(cookie), None)


def _key(key: str) -> str:
    return f"key:{digest(key)}"


def _session(cookie: str) -> str:
    return f"session:{digest(cookie)}"


def bearer(connection: HTTPConnection) -> str | None:
    scheme, _, value = connection.headers.get("authorization", "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None
