"""The vocabulary: what a signal is made of."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import TypeAlias

from pydantic import JsonValue

from hub.kinds import Department, Family, Severity, kind_info

Json: TypeAlias = JsonValue


class Status(StrEnum):
    """Where the happening stands. DELETED: gone at its source; the hub keeps no body."""

    INFORMATION = "information"
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    DELETED = "deleted"


class Classification(IntEnum):
    """RESTRICTED (mailboxes, private channels) is seen only by roles that hub.toml names for it."""

    PUBLIC = 0
    INTERNAL = 1
    CONFIDENTIAL = 2
    RESTRICTED = 3


class Origin(StrEnum):
    POLL = "poll"
    PUSH = "push"
    PERSON = "person"
    DERIVED = "derived"


class ChangeType(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    HISTORY = "history"
    """A late, older revision: it joined the history and changed nothing that is shown."""
    EXPIRED = "expired"
    """Kept long enough: the signal is gone from here, and this line says so."""


class Outcome(StrEnum):
    """What was decided for one role about one signal."""

    SENT = "sent"
    BELOW_THRESHOLD = "below_threshold"
    NOT_PERMITTED = "not_permitted"
    HISTORY = "history"


@dataclass(frozen=True, slots=True)
class Account:
    """A customer or prospect, one across all sources."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One named part of a relevance: how much it added, and what for."""

    name: str
    weight: float
    evidence: str


@dataclass(frozen=True, slots=True)
class Relevance:
    role: str
    score: float  # 0..1
    reasons: tuple[Reason, ...]
    outcome: Outcome

    def quiet(self, before: Outcome | None) -> "Relevance":
        """Judge again without sending: what was not sent then is history now."""
        if self.outcome is Outcome.SENT and before is not Outcome.SENT:
            return replace(self, outcome=Outcome.HISTORY)
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One fact in its current revision, as the hub keeps it."""

    id: str
    source: str
    external_id: str
    revision: str
    kind: str
    department: Department
    title: str
    summary: str
    body: str | None
    url: str | None
    origin: Origin
    occurred_at: datetime
    received_at: datetime
    updated_at: datetime
    revised_at: datetime
    severity: Severity
    status: Status
    classification: Classification
    sentiment: float | None
    account: Account | None
    author: Person | None
    owner: Person | None
    labels: tuple[str, ...]
    attributes: Mapping[str, Json]
    thread: str | None
    is_outline: bool = False  # what was said is left out: see `hub.outline`

    @property
    def family(self) -> Family:
        return kind_info(self.kind).family


class Scope(StrEnum):
    """What somebody may do, with what their roles may see."""

    READ = "read"
    PUBLISH = "publish"
    ADMIN = "admin"  # and so all the others


USUAL = frozenset({Scope.READ, Scope.PUBLISH})


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is asking."""

    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = USUAL
    person: str | None = None
    key_id: str | None = None
    subject: str | None = None
    """Whom a sign-in provider vouches for: `oidc:<issuer>#<sub>`."""
    name: str = ""
    until: datetime | None = None
    """When what they came with ends by itself."""

    @property
    def is_admin(self) -> bool:
        return Scope.ADMIN in self.scopes

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or self.is_admin

    @property
    def identity(self) -> str | None:
        """Who this is, in every process and after a restart; None for nobody in particular."""
        return f"key:{self.key_id}" if self.key_id else self.subject


@dataclass(frozen=True, slots=True)
class Facts:
    """What routing, access and filters look at: enough to decide, small enough to log."""

    kind: str
    department: str
    classification: int
    source: str
    severity: int
    status: str
    occurred_at: str  # ISO, UTC, microseconds: compares as the time does
    account: str | None = None
    author: str | None = None
    labels: tuple[str, ...] | None = ()  # None: erased; whoever may have shown it is told
    scores: Mapping[str, float] = field(default_factory=dict)


def iso(at: datetime) -> str:
    """Write a time so that texts compare as times do."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    """Make a UUIDv7: 48 bits of milliseconds, then randomness, so ids sort by age."""
    at = f"{time.time_ns() // 1_000_000:012x}"[-12:]
    random = os.urandom(10).hex()
    variant = "89ab"[int(random[3], 16) & 3]
    return f"{at[:8]}-{at[8:]}-7{random[:3]}-{variant}{random[4:7]}-{random[8:]}"
