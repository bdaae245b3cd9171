"""The cookies of the dashboard: unreadable for its pages, and never sent along by other sites'."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response

SESSION = "hub_session"
FLOW = "hub_signing_in"
LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Cookies:
    """`public_url`: where people reach the hub, so that TLS in front of it is known of."""

    public_url: str | None

    def is_secure(self, connection: HTTPConnection) -> bool:
        """Tell whether the browser came by TLS, which a proxy may have ended."""
        if connection.url.scheme in {"https", "wss"}:
            return True
        home = urlsplit(self.public_url or "")
        host = connection.headers.get("host", "").lower()
        return home.scheme == "https" and host in {home.netloc.lower(), home.hostname}

    def read(self, connection: HTTPConnection, name: str) -> str | None:
        """Read a cookie; by TLS only one that no other host, and nothing without TLS, can set."""
        value = connection.cookies.get(self._named(connection, name))
        return value if value and len(value) <= LONGEST else None

    def give(
        self,
        connection: HTTPConnection,
        response: Response,
        name: str,
        value: str,
        age: timedelta,
        same_site: Literal["strict", "lax"] = "strict",
    ) -> None:
        response.set_cookie(
            self._named(connection, name),
            value,
            max_age=int(age.total_seconds()),
            path="/",
            httponly=True,
            samesite=same_site,
            secure=self.is_secure(connection),
        )

    def take(self, connection: HTTPConnection, response: Response, name: str) -> None:
        response.delete_cookie(
            self._named(connection, name),
            path="/",
            httponly=True,
            samesite="strict",
            secure=self.is_secure(connection),
        )

    def _named(self, connection: HTTPConnection, name: str) -> str:
        # https://www.rfc-editor.org/rfc/rfc6265bis: __Host- takes Secure, the path / and no domain.
        return f"__Host-{name}" if self.is_secure(connection) else name
