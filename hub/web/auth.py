"""Who comes: an API key in a header, or a session that a key opened."""

import time
from dataclasses import dataclass, field

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import HTTPConnection

from hub.graphql.context import Identify
from hub.settings import Settings, secret_keys
from hub.signals import Viewer, now
from hub.store import Store
from hub.store.keys import digest, viewer_of_id, viewer_of_key

COOKIE = "hub_session"
SESSION_SECONDS = 12 * 3600
FRESH_SECONDS = 5.0  # how long a look-up holds: a revoked key works no longer than this
REMEMBERED = 4096


@dataclass(slots=True)
class Doorkeeper:
    """Identifies whoever comes over a connection, remembering each for a few seconds."""

    store: Store
    sessions: URLSafeTimedSerializer
    _known: dict[str, tuple[float, Viewer | None]] = field(default_factory=dict)

    def __call__(self, connection: HTTPConnection, token: str | None = None) -> Identify:
        key = token or bearer(connection)
        cookie = connection.cookies.get(COOKIE)

        async def identify() -> Viewer | None:
            if key is not None:
                return await self._of_key(key)
            if cookie is not None:
                return await self._of_session(cookie)
            return None

        return identify

    async def _of_key(self, key: str) -> Viewer | None:
        return await self._remembered(f"key:{digest(key)}", key=key)

    async def _of_session(self, cookie: str) -> Viewer | None:
        try:
            key_id = self.sessions.loads(cookie, max_age=SESSION_SECONDS)
        except BadData:
            return None
        return await self._remembered(f"session:{key_id}", key_id=str(key_id))

    async def _remembered(
        self, name: str, *, key: str | None = None, key_id: str | None = None
    ) -> Viewer | None:
        clock = time.monotonic()
        if (held := self._known.get(name)) and held[0] > clock:
            return held[1]
        async with self.store.read() as connection:
            viewer = (
                await viewer_of_key(connection, key, now())
                if key is not None
                else await viewer_of_id(connection, key_id or "", now())
            )
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[name] = (clock + FRESH_SECONDS, viewer)
        return viewer

    def open_session(self, viewer: Viewer) -> str:
        """Write the cookie of a session: the key's id, signed; the key itself is not in it."""
        return self.sessions.dumps(viewer.key_id)


def session_signer(settings: Settings) -> URLSafeTimedSerializer:
    """Make the signer of sessions; the first of two keys signs, both are accepted.

    Raises ConfigError when there is no secret key.
    """
    # itsdangerous signs with the last of its keys and takes any.
    return URLSafeTimedSerializer(list(reversed(secret_keys(settings))), salt="hub-session")


def bearer(connection: HTTPConnection) -> str | None:
    scheme, _, value = connection.headers.get("authorization", "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None
