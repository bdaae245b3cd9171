"""The SDK: all that a connector may import of the hub."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import ConfigDict, SecretStr

from hub.connector.api import (
    Answer,
    Api,
    Budget,
    Folder,
    Grant,
    Lines,
    Mail,
    Mailbox,
    Opened,
    Tokens,
    conditional,
)
from hub.connector.clock import now
from hub.connector.configured import (
    ByComparison,
    ByIds,
    Family,
    Listed,
    Listing,
    Paging,
    Refusal,
    WayIn,
    link_on,
)
from hub.connector.cursors import (
    Batch,
    Delta,
    EventLog,
    IdWatermark,
    ModifiedSince,
    NewestFirst,
    OpaqueToken,
    Recent,
    Seen,
    Snapshot,
    streams,
)
from hub.connector.described import Described
from hub.connector.drafts import AccountRef, Bad, Cursor, Draft, Page, PersonRef, customer, why
from hub.connector.endpoints import (
    Basic,
    Bearer,
    ClientCredentials,
    Command,
    Endpoint,
    Header,
    Http,
    Imap,
    Login,
    RefreshToken,
    SignIn,
)
from hub.connector.letters import Letter, read_heading, read_letter
from hub.connector.mapping import MAPPED_KINDS, Fields
from hub.connector.paths import Condition, Filter, JsonPath, Path
from hub.connector.pushed import Accepted, Pushed, Reply, Verdict
from hub.connector.schemes import SignedBy, body_of
from hub.connector.signatures import (
    BasicAuth,
    BodyToken,
    Digest,
    Hmac,
    Scheme,
    StandardWebhooks,
    Token,
    is_secret,
)
from hub.connector.text import line, plain, utc
from hub.connector.times import AnyTime, Duration, Time, read_time, write_time, zone_named
from hub.connector.values import AnyValue, Value
from hub.errors import (
    AuthFailed,
    BadRecord,
    PushRefused,
    RateLimited,
    SourceError,
    SourceMisbehaved,
    SourceUnavailable,
    TakesNoPushes,
)
from hub.kinds import KINDS, Department, Severity
from hub.signals import Classification, Json, Status

__all__ = [
    "KINDS",
    "MAPPED_KINDS",
    "Accepted",
    "AccountRef",
    "Answer",
    "AnyTime",
    "AnyValue",
    "Api",
    "AuthFailed",
    "Bad",
    "BadRecord",
    "Basic",
    "BasicAuth",
    "Batch",
    "Bearer",
    "BodyToken",
    "Budget",
    "ByComparison",
    "ByIds",
    "Classification",
    "ClientCredentials",
    "Command",
    "Condition",
    "Connector",
    "Cursor",
    "Delta",
    "Department",
    "Digest",
    "Draft",
    "Duration",
    "Endpoint",
    "EventLog",
    "Family",
    "Fields",
    "Filter",
    "Folder",
    "Grant",
    "Header",
    "Hmac",
    "Http",
    "IdWatermark",
    "Imap",
    "Json",
    "JsonPath",
    "Letter",
    "Lines",
    "Listed",
    "Listener",
    "Listing",
    "Login",
    "Mail",
    "Mailbox",
    "ModifiedSince",
    "NewestFirst",
    "OpaqueToken",
    "Opened",
    "Page",
    "Paging",
    "Path",
    "PersonRef",
    "PushRefused",
    "Pushed",
    "RateLimited",
    "Recent",
    "RefreshToken",
    "Refusal",
    "Reply",
    "Scheme",
    "SecretStr",
    "Seen",
    "Severity",
    "SignIn",
    "SignedBy",
    "Snapshot",
    "SourceError",
    "SourceMisbehaved",
    "SourceUnavailable",
    "StandardWebhooks",
    "Status",
    "TakesNoPushes",
    "Time",
    "Token",
    "Tokens",
    "Value",
    "Verdict",
    "WayIn",
    "body_of",
    "conditional",
    "customer",
    "is_secret",
    "line",
    "link_on",
    "now",
    "plain",
    "read_heading",
    "read_letter",
    "read_time",
    "streams",
    "utc",
    "why",
    "write_time",
    "zone_named",
]


class Connector(Described, ABC):
    """A source of signals: its fields are its settings, `pull` is its one duty.

    The docstring below a field describes the setting wherever people fill it in.
    """

    model_config = ConfigDict(defer_build=False)  # a mistake is told where the class is written

    kinds: ClassVar[frozenset[str]]
    """What it can emit."""
    every: ClassVar[timedelta] = timedelta(minutes=1)
    """How often it is worth asking, unless hub.toml says otherwise."""
    slowest: ClassVar[timedelta | None] = None
    """How rarely it is asked while it brings nothing; None: always as often as `every` says."""

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
    def pull(self, api: Any, cursor: Cursor) -> AsyncIterator[Page]:
        """Yield what is new since `cursor` (empty at first), oldest first, a page at a time.

        `api` is what the endpoint opens: Api for Http, Mailbox for Imap, Lines for Command.
        """

    def verify(self, request: Pushed) -> Verdict:
        """Tell whether the vendor sent this, by its signature over the bytes as they came.

        Nothing is stored before. It answers within milliseconds, so it asks nobody. Raises
        PushRefused.
        """
        del request
        raise TakesNoPushes(f"the connector {type(self).__name__} takes no pushes")

    def read(self, event: Pushed) -> Sequence[Any]:
        """Read a stored push, later and maybe twice: the same drafts as `pull` would give.

        The same external_id and revision for the same state of a record: so push and poll meet as
        one signal. What it raises sets the whole push aside, for a person to look at; of a push
        with many records, each that cannot be read may be a Bad among the drafts.
        """
        del event
        raise NotImplementedError(f"{type(self).__name__} verifies pushes and cannot read them")


class Listener(Connector):
    """A source that asks nobody and is never polled: it takes what it is sent.

    Its health is that of the last push.
    """

    def endpoint(self) -> Endpoint:
        raise SourceMisbehaved(f"{type(self).__name__} has nowhere to ask")

    def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        del api, cursor
        raise SourceMisbehaved(f"{type(self).__name__} has nothing to poll")
