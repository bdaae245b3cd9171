"""The SDK: all that a connector may import of the hub."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, SecretStr

from hub.connector.api import Answer, Api, Budget
from hub.connector.clock import now
from hub.connector.drafts import AccountRef, Bad, Cursor, Draft, Page, PersonRef, why
from hub.connector.endpoints import Basic, Bearer, Endpoint, Header, Http
from hub.connector.text import line, plain, utc
from hub.errors import (
    AuthFailed,
    BadRecord,
    RateLimited,
    SourceError,
    SourceMisbehaved,
    SourceUnavailable,
)
from hub.kinds import KINDS, Department, Severity
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
    "line",
    "now",
    "plain",
    "utc",
    "why",
]


class Connector(BaseModel, ABC):
    """A source of signals: its fields are its settings, `pull` is its one duty.

    The docstring below a field describes the setting wherever people fill it in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kinds: ClassVar[frozenset[str]]
    """What it can emit."""
    every: ClassVar[timedelta] = timedelta(minutes=1)
    """How often it is worth asking, unless hub.toml says otherwise."""

    # For people, in docs/connectors.md:
    sign_in: ClassVar[str] = ""
    """How the hub signs in, and where one gets what it needs for that."""
    scopes: ClassVar[tuple[str, ...]] = ()
    """What the token, key or user must be allowed, in the vendor's words."""
    limits: ClassVar[str] = ""
    """How much the vendor lets one ask, and what is not read or only so far back."""
    freshness: ClassVar[str] = ""
    """How soon a change is seen, where that is not simply `every`."""

    @abstractmethod
    def endpoint(self) -> Endpoint:
        """Where the API is, how to sign in, and how fast we may call it."""

    @abstractmethod
    def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        """Yield what is new since `cursor` (empty at first), oldest first, a page at a time."""
