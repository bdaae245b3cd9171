"""Every table. Rows are dumb: what enters was validated as a Draft or by a door."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, Index, Integer, Table, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from hub.store.columns import TEXT, JsonText, UtcDateTime

# SQLite numbers rows by itself only where the type is INTEGER.
SEQ = BigInteger().with_variant(Integer, "sqlite")


def text(*, key: bool = False, null: bool = False) -> Any:
    return Field(sa_column=Column(TEXT, primary_key=key, nullable=null))


def when(*, null: bool = False) -> Any:
    return Field(sa_column=Column(UtcDateTime, nullable=null))


def json(*, null: bool = False) -> Any:
    return Field(sa_column=Column(JsonText, nullable=null))


def table(row: type[SQLModel]) -> Table:
    """Give the table of a row class, for Core statements over whole rows."""
    return SQLModel.metadata.tables[str(row.__tablename__)]


def _where_set(name: str, column: str) -> Index:
    """Index a column where it is not NULL."""
    is_set = sql(f"{column} IS NOT NULL")
    return Index(name, column, sqlite_where=is_set, postgresql_where=is_set)


class LogHead(SQLModel, table=True):
    """The newest `seq`, in one row that whoever takes numbers holds until it commits.

    So the order of numbers is the order of commits (docs/decisions/0004).
    """

    __tablename__: ClassVar[Any] = "log_head"
    id: int = Field(primary_key=True)
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))


class AccountRow(SQLModel, table=True):
    __tablename__: ClassVar[Any] = "accounts"
    id: str = text(key=True)
    name: str = text()
    created_at: datetime = when()


class AccountKeyRow(SQLModel, table=True):
    """What an account is recognised by: `domain:acme.com`, `name:acme`."""

    __tablename__: ClassVar[Any] = "account_keys"
    __table_args__: ClassVar[Any] = (Index("account_keys_owner", "owner_id"),)
    key: str = text(key=True)
    owner_id: str = text()


class PersonRow(SQLModel, table=True):
    __tablename__: ClassVar[Any] = "people"
    id: str = text(key=True)
    name: str = text()
    created_at: datetime = when()


class PersonKeyRow(SQLModel, table=True):
    """What a person is recognised by: `email:...`, else a handle or name within one source."""

    __tablename__: ClassVar[Any] = "person_keys"
    __table_args__: ClassVar[Any] = (Index("person_keys_owner", "owner_id"),)
    key: str = text(key=True)
    owner_id: str = text()


class SignalRow(SQLModel, table=True):
    """One fact in its current revision."""

    __tablename__: ClassVar[Any] = "signals"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("source", "external_id"),
        Index("signals_occurred", "occurred_at", "id"),
        Index("signals_updated", "updated_at", "id"),
        Index("signals_kind", "kind", "occurred_at"),
        Index("signals_account", "account_id", "occurred_at"),
        Index("signals_source", "source", "occurred_at"),
        _where_set("signals_author", "author_id"),
        _where_set("signals_owner", "owner_id"),
    )
    id: str = text(key=True)
    source: str = text()
    external_id: str = text()
    revision: str = text()
    kind: str = text()
    department: str = text()
    title: str = text()
    summary: str = text()
    body: str | None = text(null=True)
    url: str | None = text(null=True)
    origin: str = text()
    occurred_at: datetime = when()
    received_at: datetime = when()
    updated_at: datetime = when()
    revised_at: datetime = when()
    severity: int
    status: str = text()
    classification: int
    sentiment: float | None
    account_id: str | None = text(null=True)
    author_id: str | None = text(null=True)
    owner_id: str | None = text(null=True)
    labels: list[str] = json()
    attributes: dict[str, Any] = json()
    thread: str | None = text(null=True)


class RevisionRow(SQLModel, table=True):
    """One version of a signal as it was read; `data` is the draft."""

    __tablename__: ClassVar[Any] = "revisions"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("source", "external_id", "revision"),
        Index("revisions_signal", "signal_id", "revised_at"),
    )
    id: str = text(key=True)
    signal_id: str = text()
    source: str = text()
    external_id: str = text()
    revision: str = text()
    revised_at: datetime = when()
    received_at: datetime = when()
    data: dict[str, Any] = json()


class ChangeRow(SQLModel, table=True):
    """A line of the log. `was` and `now` are the facts that routing and access judge."""

    __tablename__: ClassVar[Any] = "changes"
    __table_args__: ClassVar[Any] = (Index("changes_signal", "signal_id", "seq"),)
    seq: int = Field(sa_column=Column(SEQ, primary_key=True, autoincrement=False))
    signal_id: str = text()
    revision_id: str | None = text(null=True)
    type: str = text()
    at: datetime = when()
    was: dict[str, Any] | None = json(null=True)
    now: dict[str, Any] = json()


class RelevanceRow(SQLModel, table=True):
    """How much a signal matters to a role, why, and what was decided.

    A feed is ordered by day, score, seq.
    """

    __tablename__: ClassVar[Any] = "relevance"
    __table_args__: ClassVar[Any] = (Index("relevance_feed", "role", "day", "score", "seq"),)
    signal_id: str = text(key=True)
    role: str = text(key=True)
    day: int  # days since 1970, UTC, of occurred_at
    score: float
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    outcome: str = text()
    reasons: list[Any] = json()


class SourceRow(SQLModel, table=True):
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


class QuarantineRow(SQLModel, table=True):
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


class EndpointRow(SQLModel, table=True):
    """A place that deliveries go to. What hub.toml declares keeps url and secret there."""

    __tablename__: ClassVar[Any] = "endpoints"
    id: str = text(key=True)
    name: str = Field(sa_column=Column(TEXT, nullable=False, unique=True))
    role: str = text()
    fingerprint: str = text()  # of its address and secret: a change enables it again
    created_at: datetime = when()
    disabled_at: datetime | None = when(null=True)
    disabled_why: str | None = text(null=True)


class DeliveryRow(SQLModel, table=True):
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


class AttemptRow(SQLModel, table=True):
    """One try of a delivery, and what came back."""

    __tablename__: ClassVar[Any] = "attempts"
    delivery_id: str = text(key=True)
    attempt: int = Field(primary_key=True)
    at: datetime = when()
    latency_ms: float | None
    status: int | None
    error: str | None = text(null=True)
    response: str | None = text(null=True)


class KeyRow(SQLModel, table=True):
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


class AppliedRow(SQLModel, table=True):
    """What was last put in force, to know when roles have changed."""

    __tablename__: ClassVar[Any] = "applied"
    name: str = text(key=True)
    fingerprint: str = text()
    at: datetime = when()


class SnapshotRow(SQLModel, table=True):
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


class BudgetRow(SQLModel, table=True):
    """The calls that an API was sent of late, by all processes: [[seconds since 1970, calls]]."""

    __tablename__: ClassVar[Any] = "budgets"
    name: str = text(key=True)
    calls: list[Any] = json()


class ChoreRow(SQLModel, table=True):
    """What the hub does for itself at set times, by whichever process takes the lease."""

    __tablename__: ClassVar[Any] = "chores"
    name: str = text(key=True)
    next_at: datetime = when()
    lease: str | None = text(null=True)
    lease_until: datetime | None = when(null=True)


class ForgottenRow(SQLModel, table=True):
    """SHA-256 of a key of a person who is to be forgotten: a poll must not bring him back."""

    __tablename__: ClassVar[Any] = "forgotten"
    digest: str = text(key=True)
    at: datetime = when()
