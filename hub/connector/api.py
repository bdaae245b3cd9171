"""What a connector is handed: a client of its endpoint that signs in and keeps to the limits."""

import contextlib
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from hub.connector.text import read_json
from hub.errors import RateLimited, SourceMisbehaved
from hub.signals import Json

VALIDATORS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
"""What an answer has, and how it is sent back: https://www.rfc-editor.org/rfc/rfc9110#section-13.1"""


def conditional(known: Mapping[str, Json]) -> dict[str, str]:
    """Make the headers by which the same address says 304 if it still is as it was.

    `known` has the validators of an answer, among other things perhaps. They hold for the very
    same request only: with another address or other parameters they could hide what is new.
    """
    return {sent: str(known[name]) for name, sent in VALIDATORS.items() if known.get(name)}


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

    @property
    def validators(self) -> dict[str, Json]:
        """What to keep of it, for `conditional` to ask whether it has changed."""
        return {name: self.headers[name] for name in VALIDATORS if self.headers.get(name)}

    def json(self) -> Any:
        """Read the body. Raises SourceMisbehaved."""
        with contextlib.suppress(ValueError):
            return read_json(self.content)
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not self.content.strip():
            what = "an empty body"
        elif "json" in kind or not kind:
            what = "something that cannot be read as JSON"
        else:
            what = kind
        raise SourceMisbehaved(f"{urlsplit(self.url).hostname} answered with {what}, not JSON")


PATIENCE = timedelta(seconds=20)
"""A poll waits so long for a limit to end; for longer it makes room for others."""


def at_limit(left: timedelta) -> RateLimited:
    """Say that an account may not be called for so long."""
    seconds = math.ceil(left.total_seconds())
    return RateLimited(f"its limit is reached, for {seconds} s more", left)


class Budget(Protocol):
    """How many calls an API still allows, shared by all who call it."""

    async def take(self) -> None:
        """Wait until one more call is allowed, and count it.

        Raises RateLimited where it is not for longer than a poll should wait.
        """

    async def pause(self, wait: timedelta) -> None:
        """Allow nobody a call for so long."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a sign-in was given: for how long it lets in, and what it is renewed with."""

    access: str = field(repr=False)
    refresh: str | None = field(default=None, repr=False)
    renew_at: datetime | None = None
    """Shortly before it ends; None where the vendor does not say: then it is used until a 401."""


class Tokens(Protocol):
    """The tokens in force, by account: one for all sources and all processes."""

    async def current(self, account: str) -> Grant | None:
        """Give the token that was obtained last, however old; None where there is none."""

    async def renewed(
        self, account: str, stale: Grant | None, obtain: Callable[[Grant | None], Awaitable[Grant]]
    ) -> Grant:
        """Give a token that is not `stale`: another's, or one that `obtain` makes of the last.

        Nobody else obtains one for this account meanwhile: many vendors take a refresh token that
        is used twice for stolen, and revoke all that came of it.
        """


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

    async def send(
        self,
        method: str,
        path: str = "",
        /,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask by another method, such as WebDAV's REPORT, and get the whole answer, undecoded."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What a mailbox says of a folder: UIDs hold for as long as `validity` stays the same."""

    validity: int
    next: int | None
    """The UID that the next message will get; a few servers do not tell."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One message: whole, or of a large one the start and the names of its attachments."""

    uid: int
    size: int
    received_at: datetime
    content: bytes
    whole: bool = True
    files: tuple[str, ...] = ()


class Mailbox(Protocol):
    """A signed-in connection to a mailbox, for reading alone.

    Every method raises AuthFailed, RateLimited, SourceUnavailable or SourceMisbehaved.
    """

    async def examine(self, folder: str) -> Folder:
        """Open a folder read-only; the other methods are about it."""

    async def search(
        self,
        first: int,
        last: int | None = None,
        *,
        since: date | None = None,
        header: tuple[str, str] | None = None,
    ) -> Sequence[int]:
        """List UIDs from `first` to `last`, in order: received since, with a text in a header."""

    async def fetch(self, uids: Sequence[int], *, headings: bool = False) -> Sequence[Mail]:
        """Get messages, or their headers alone, by UID; one that is gone is left out."""


class Lines(Protocol):
    """A program that is ready to be started."""

    def run(
        self, *arguments: str, files: Mapping[str, bytes] | None = None
    ) -> AsyncGenerator[bytes]:
        """Start it with these arguments behind its own; give the lines of its standard output.

        `files` are written into its folder, for its eyes alone. It is ended when the generator is
        closed. Raises SourceUnavailable or SourceMisbehaved, also when it ends with an error.
        """


Opened: TypeAlias = Api | Mailbox | Lines
