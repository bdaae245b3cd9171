"""The SDK: all that a connector may import of the hub."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Protocol, Self, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from hub.errors import (
    AuthFailed,
    BadRecord,
    RateLimited,
    SourceError,
    SourceMisbehaved,
    SourceUnavailable,
)
from hub.kinds import KINDS, Department, Kind, Severity
from hub.signals import Classification, Json, Status

__all__ = [
    "KINDS",
    "AccountRef",
    "Answer",
    "Api",
    "AuthFailed",
    "Bad",
    "BadRecord",
    "Basic",
    "Bearer",
    "Budget",
    "Classification",
    "Connector",
    "Cursor",
    "Department",
    "Draft",
    "Endpoint",
    "Header",
    "Http",
    "Json",
    "Page",
    "PersonRef",
    "RateLimited",
    "SecretStr",
    "Severity",
    "SourceError",
    "SourceMisbehaved",
    "SourceUnavailable",
    "Status",
    "utc",
    "why",
]

Cursor: TypeAlias = Mapping[str, Json]


class AccountRef(BaseModel):
    """The customer or prospect as the source names it; a domain joins it across sources."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=300)]
    domain: str | None = None


class PersonRef(BaseModel):
    """A human as the source names one; an e-mail address joins them across sources."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=300)]
    email: str | None = None
    handle: str | None = None


class Draft(BaseModel):
    """One record as a connector saw it, before the hub has decided anything about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    external_id: Annotated[str, Field(min_length=1, max_length=500)]
    revision: Annotated[str, Field(min_length=1, max_length=200)]
    """Names this version: with source and external_id the key that is stored once."""
    revised_at: AwareDatetime
    """Orders revisions by the source's clock; a late older one never replaces the current one."""
    occurred_at: AwareDatetime
    title: Annotated[str, Field(min_length=1)]
    summary: str = ""
    body: str | None = None
    url: str | None = None
    department: Department | None = None
    severity: Severity | None = None
    status: Status = Status.INFORMATION
    classification: Classification = Classification.INTERNAL
    sentiment: Annotated[float, Field(ge=-1, le=1)] | None = None
    account: AccountRef | None = None
    author: PersonRef | None = None
    owner: PersonRef | None = None
    labels: tuple[str, ...] = ()
    attributes: dict[str, Json] = Field(default_factory=dict)
    thread: str | None = None


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that could not be read, kept with its reason for a person to look at."""

    reason: str
    raw: Json
    external_id: str | None = None


Reader: TypeAlias = Callable[[Any], Draft | Sequence[Draft] | None]


@dataclass(frozen=True, slots=True)
class Page:
    """Some drafts and where to resume after them; the hub stores both in one transaction."""

    drafts: Sequence[Draft]
    cursor: Cursor
    bad: Sequence[Bad] = ()
    more: bool = False
    """Whether another page follows at once: a cursor that then does not move is an error."""

    @classmethod
    def read(
        cls, records: Iterable[Any], reader: Reader, cursor: Cursor, *, more: bool = False
    ) -> Self:
        """Read each record into drafts; one that cannot be read is set aside, the page goes on.

        `reader` returns None for a record that is no signal. It may index without care:
        a missing key or a wrong type is what makes a record bad.
        """
        drafts: list[Draft] = []
        bad: list[Bad] = []
        for record in records:
            try:
                read = reader(record)
            except (BadRecord, LookupError, TypeError, ValueError, AttributeError) as error:
                bad.append(Bad(why(error), record, _id_of(record)))
                continue
            if isinstance(read, Draft):
                drafts.append(read)
            elif read is not None:
                drafts.extend(read)
        return cls(drafts, cursor, bad, more)


def why(error: Exception) -> str:
    """Say in one line what was wrong with a record."""
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, part['loc'])) or 'record'}: {part['msg']}"
            for part in error.errors(include_url=False, include_input=False)
        )
    if isinstance(error, KeyError):
        return f"the field {error} is missing"
    return f"{type(error).__name__}: {error}" if not isinstance(error, BadRecord) else str(error)


def _id_of(record: Any) -> str | None:
    if isinstance(record, Mapping):
        for name in ("id", "ts", "event_id", "fingerprint", "guid"):
            if record.get(name):
                return str(record[name])
    return None


@dataclass(frozen=True, slots=True)
class Bearer:
    token: SecretStr


@dataclass(frozen=True, slots=True)
class Basic:
    user: str
    password: SecretStr


@dataclass(frozen=True, slots=True)
class Header:
    """An API key in a header of its own."""

    name: str
    value: SecretStr


@dataclass(frozen=True, slots=True)
class Http:
    """An HTTP API: where it is, how to sign in, how many requests a minute it allows."""

    url: str
    auth: Bearer | Basic | Header | None = None
    per_minute: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    says_no: Callable[[Any], SourceError | None] | None = None
    """Recognises a refusal in a 200 answer's body (Slack's `{"ok": false}`)."""


Endpoint: TypeAlias = Http


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


class Connector(BaseModel, ABC):
    """A source of signals: its fields are its settings, `pull` is its one duty.

    The docstring below a field describes the setting wherever people fill it in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kinds: ClassVar[frozenset[str]]
    """What it can emit."""
    every: ClassVar[timedelta] = timedelta(minutes=1)
    """How often it is worth asking, unless hub.toml says otherwise."""

    @abstractmethod
    def endpoint(self) -> Endpoint:
        """Where the API is, how to sign in, and how fast we may call it."""

    @abstractmethod
    def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        """Yield what is new since `cursor` (empty at first), oldest first, a page at a time."""


def utc(value: str | float) -> datetime:
    """Read an ISO time or seconds since 1970 as aware UTC; a time without zone is UTC."""
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    read = datetime.fromisoformat(value)
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
