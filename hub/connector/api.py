"""What a connector is handed: a client of its endpoint that signs in and keeps to the limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Answer:
    """A vendor's whole answer, for connectors that need more than its JSON."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str

    @property
    def not_modified(self) -> bool:
        return self.status == 304


class Budget(Protocol):
    """How many calls an API still allows, shared by all who call it."""

    async def take(self) -> None:
        """Wait until one more call is allowed, and count it."""


class Api(Protocol):
    """A signed-in, rate-limited client of one endpoint. Paths are relative to its URL.

    Every method raises AuthFailed, RateLimited, SourceUnavailable or SourceMisbehaved.
    """

    async def get(self, path: str = "", /, **params: Any) -> Any:
        """GET and decode JSON; a parameter that is None is left out, a list is repeated."""

    async def post(self, path: str, /, json: Any) -> Any:
        """POST JSON and decode JSON."""

    async def fetch(
        self,
        path: str = "",
        /,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """GET the whole answer, undecoded; 304 is an answer here, not an error."""
