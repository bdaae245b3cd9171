"""What is to be done, by which configuration, and who may ask: due rows, attempts, keys."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, Index, LargeBinary, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from hub.store.columns import TEXT
from hub.store.tables.fields import json, text, when


class SourceRow(SQLModel, table=True, defer_build=True):
    """Where a source stands: its cursor, its lease, its health."""

    __tablename__: ClassVar[Any] = "sources"
    __table_args__: ClassVar[Any] = (Index("sources_due", "next_poll_at"),)
    name: str = text(key=True)
    connector: str = text()
    fingerprint: str = text()  # of its configuration: a change lets a stopped source try again
    state: str = text()
    cursor: dict[str, Any] = json()
    added_at: datetime = when()
    notify_after: datetime = when()
    next_poll_at: datetime | None = when(null=True)  # NULL: not polled until somebody mends it
    lease_until: datetime | None = when(null=True)
    lease: str | None = text(null=True)
    problem: str | None = text(null=True)  # why its newest configuration is not in force
    failures: int
    last_attempt_at: datetime | None = when(null=True)
    last_success_at: datetime | None = when(null=True)
    last_error: str | None = text(null=True)
    last_error_at: datetime | None = when(null=True)
    brought_at: datetime | None = when(null=True)  # when a poll last found something new


class QuarantineRow(SQLModel, table=True, defer_build=True):
    """A record that could not be read, its reason, and the record itself."""

    __tablename__: ClassVar[Any] = "quarantine"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("source", "digest"),
        Index("quarantine_source", "source", "id"),
    )
    id: str = text(key=True)
    source: str = text()
    digest: str = text()  # of record and reason: the same bad record is kept once
    external_id: str | None = text(null=True)
    reason: str = text()
    raw: str = text()
    at: datetime = when()
    seen: int


class PushRow(SQLModel, table=True, defer_build=True):
    """One request that a vendor made by itself, as it came. What signed it in is not kept."""

    __tablename__: ClassVar[Any] = "pushes"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("source", "delivery"),
        Index("pushes_received", "received_at"),
        Index("pushes_source", "source", "received_at"),
        Index(
            "pushes_waiting",
            "due_at",
            sqlite_where=sql("state = 'waiting'"),
            postgresql_where=sql("state = 'waiting'"),
        ),
    )
    id: str = text(key=True)
    source: str = text()
    delivery: str = text()  # the vendor's id of it, or a digest of what it says
    method: str = text()
    url: str = text()
    headers: dict[str, str] = json()
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    received_at: datetime = when()
    state: str = text()
    attempt: int
    due_at: datetime = when()
    lease_until: datetime | None = when(null=True)
    settled_at: datetime | None = when(null=True)


class PushRecordRow(SQLModel, table=True, defer_build=True):
    """Which record a push told of: to show where it came from, and to erase it with the record."""

    __tablename__: ClassVar[Any] = "push_records"
    __table_args__: ClassVar[Any] = (Index("push_records_push", "push_id"),)
    source: str = text(key=True)
    external_id: str = text(key=True)
    push_id: str = text(key=True)


class EndpointRow(SQLModel, table=True, defer_build=True):
    """A place that deliveries go to. What hub.toml declares keeps url and secret there."""

    __tablename__: ClassVar[Any] = "endpoints"
    id: str = text(key=True)
    name: str = Field(sa_column=Column(TEXT, nullable=False, unique=True))
    role: str = text()
    fingerprint: str = text()  # of its address and secret: a change enables it again
    created_at: datetime = when()
    disabled_at: datetime | None = when(null=True)
    disabled_why: str | None = text(null=True)


class DeliveryRow(SQLModel, table=True, defer_build=True):
    """One change to one endpoint. `attempt` counts tries; a settle names the one it settles."""

    __tablename__: ClassVar[Any] = "deliveries"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("endpoint_id", "seq"),
        Index("deliveries_due", "state", "next_attempt_at"),
        # Of each endpoint, what is to be sent: so one with a long queue hides no other.
        Index(
            "deliveries_waiting",
            "endpoint_id",
            "next_attempt_at",
            sqlite_where=sql("state = 'pending'"),
            postgresql_where=sql("state = 'pending'"),
        ),
        Index("deliveries_signal", "signal_id"),
    )
    id: str = text(key=True)
    endpoint_id: str = text()
    signal_id: str = text()
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    state: str = text()
    attempt: int
    created_at: datetime = when()
    next_attempt_at: datetime = when()
    lease_until: datetime | None = when(null=True)
    settled_at: datetime | None = when(null=True)
    trace: str | None = text(null=True)  # W3C traceparent of the page that caused it


class AttemptRow(SQLModel, table=True, defer_build=True):
    """One try of a delivery, and what came back."""

    __tablename__: ClassVar[Any] = "attempts"
    delivery_id: str = text(key=True)
    attempt: int = Field(primary_key=True)
    at: datetime = when()
    latency_ms: float | None
    status: int | None
    error: str | None = text(null=True)
    response: str | None = text(null=True)


class KeyRow(SQLModel, table=True, defer_build=True):
    """An API key: its SHA-256 only, so that who reads the database cannot use it."""

    __tablename__: ClassVar[Any] = "keys"
    id: str = text(key=True)
    digest: str = Field(sa_column=Column(TEXT, nullable=False, unique=True))
    prefix: str = text()  # its first letters, to recognise it by
    name: str = text()
    roles: list[str] = json()
    scopes: list[str] = json()
    person: str | None = text(null=True)
    created_at: datetime = when()
    expires_at: datetime | None = when(null=True)
    revoked_at: datetime | None = when(null=True)


class AppliedRow(SQLModel, table=True, defer_build=True):
    """What was last put in force, to know when roles have changed."""

    __tablename__: ClassVar[Any] = "applied"
    name: str = text(key=True)
    fingerprint: str = text()
    at: datetime = when()


class SnapshotRow(SQLModel, table=True, defer_build=True):
    """A configuration that was put in force, never changed: names of secrets, not values.

    `seq` is its line in the log: the newest is the one that was committed last.
    """

    __tablename__: ClassVar[Any] = "snapshots"
    id: str = text(key=True)
    seq: int = Field(sa_column=Column(BigInteger, nullable=False, unique=True))
    digest: str = text()
    by: str = text()
    at: datetime = when()
    tables: dict[str, Any] = json()
    problems: dict[str, Any] = json()  # source -> why it keeps its configuration of before


class BudgetRow(SQLModel, table=True, defer_build=True):
    """The calls that an API was sent of late, by all processes: [[seconds since 1970, calls]]."""

    __tablename__: ClassVar[Any] = "budgets"
    name: str = text(key=True)
    calls: list[Any] = json()
    paused_until: datetime | None = when(null=True)  # the vendor asked for it


class ChoreRow(SQLModel, table=True, defer_build=True):
    """What the hub does for itself at set times, by whichever process takes the lease."""

    __tablename__: ClassVar[Any] = "chores"
    name: str = text(key=True)
    next_at: datetime = when()
    lease: str | None = text(null=True)
    lease_until: datetime | None = when(null=True)


class TokenRow(SQLModel, table=True, defer_build=True):
    """What a sign-in was given, sealed with HUB_SECRET_KEY; whoever has the lease renews it.

    `name` is a slow hash of what is configured. `version` counts renewals.
    """

    __tablename__: ClassVar[Any] = "tokens"
    name: str = text(key=True)
    sealed: str | None = text(null=True)
    version: int
    at: datetime = when()
    lease: str | None = text(null=True)
    lease_until: datetime | None = when(null=True)


class DocumentRow(SQLModel, table=True, defer_build=True):
    """A GraphQL document that may be named instead of sent. One text may have several names."""

    __tablename__: ClassVar[Any] = "documents"
    __table_args__: ClassVar[Any] = (Index("documents_digest", "digest"),)
    name: str = text(key=True)
    digest: str = text()  # SHA-256 of the document
    document: str = text()
    at: datetime = when()
