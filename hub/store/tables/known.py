"""What the hub knows: accounts, people, signals and their versions, the log, each role's view."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, Index, Text, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field, SQLModel

from hub.store.columns import TEXT
from hub.store.tables.fields import SEQ, json, text, when, where_set


class LogHead(SQLModel, table=True, defer_build=True):
    """The newest `seq`, in one row that whoever takes numbers holds until it commits.

    So the order of numbers is the order of commits (docs/decisions/0004).
    """

    __tablename__: ClassVar[Any] = "log_head"
    id: int = Field(primary_key=True)
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))


class AccountRow(SQLModel, table=True, defer_build=True):
    """`words`: its name as search knows it, by which it is found and sorted."""

    __tablename__: ClassVar[Any] = "accounts"
    __table_args__: ClassVar[Any] = (Index("accounts_words", "words", "id"),)
    id: str = text(key=True)
    name: str = text()
    words: str = Field(sa_column=Column(TEXT, nullable=False, server_default=""), default="")
    created_at: datetime = when()


class AccountKeyRow(SQLModel, table=True, defer_build=True):
    """What an account is recognised by: `domain:acme.com`, `name:acme`."""

    __tablename__: ClassVar[Any] = "account_keys"
    __table_args__: ClassVar[Any] = (Index("account_keys_owner", "owner_id"),)
    key: str = text(key=True)
    owner_id: str = text()


class PersonRow(SQLModel, table=True, defer_build=True):
    __tablename__: ClassVar[Any] = "people"
    __table_args__: ClassVar[Any] = (Index("people_words", "words", "id"),)
    id: str = text(key=True)
    name: str = text()
    words: str = Field(sa_column=Column(TEXT, nullable=False, server_default=""), default="")
    created_at: datetime = when()


class PersonKeyRow(SQLModel, table=True, defer_build=True):
    """What a person is recognised by: `email:...`, else a handle or name within one source."""

    __tablename__: ClassVar[Any] = "person_keys"
    __table_args__: ClassVar[Any] = (Index("person_keys_owner", "owner_id"),)
    key: str = text(key=True)
    owner_id: str = text()


# What filters and access look at. In the index of an order, so that what they leave out is walked
# past without being read; PostgreSQL, which counts how frequent values are, has indexes of rare
# ones (docs/decisions/0022).
JUDGED = ("kind", "source", "department", "status", "severity", "classification", "account_id")
_UNLIKE = tuple(name for name in JUDGED if name != "severity")


class SignalRow(SQLModel, table=True, defer_build=True):
    """One fact in its current revision."""

    __tablename__: ClassVar[Any] = "signals"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("source", "external_id"),
        Index("signals_by_time", "occurred_at", "id", *JUDGED, "labels").ddl_if("sqlite"),
        Index("signals_by_update", "updated_at", "id", *JUDGED, "labels").ddl_if("sqlite"),
        Index("signals_by_severity", "severity", "occurred_at", "id", *_UNLIKE, "labels").ddl_if(
            "sqlite"
        ),
        Index("signals_by_time", "occurred_at", "id", *JUDGED).ddl_if("postgresql"),
        Index("signals_updated", "updated_at", "id").ddl_if("postgresql"),
        Index("signals_severity", "severity", "occurred_at", "id").ddl_if("postgresql"),
        Index("signals_status", "status", "occurred_at", "id").ddl_if("postgresql"),
        Index("signals_department", "department", "occurred_at", "id").ddl_if("postgresql"),
        Index("signals_labels", "labels", postgresql_using="gin").ddl_if("postgresql"),
        Index("signals_kind", "kind", "occurred_at"),
        Index("signals_account", "account_id", "occurred_at"),
        Index("signals_source", "source", "occurred_at"),
        where_set("signals_author_time", "author_id", "occurred_at", "id"),
        where_set("signals_owner_time", "owner_id", "occurred_at", "id"),
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


class SearchedRow(SQLModel, table=True, defer_build=True):
    """That a signal can be found by its words, as they were at its `updated_at`.

    `words` is PostgreSQL's; SQLite has them in the FTS5 table `search_index`, by `id`.
    """

    __tablename__: ClassVar[Any] = "searched"
    __table_args__: ClassVar[Any] = (
        Index(
            "searched_words",
            "words",
            postgresql_using="gin",
            sqlite_where=sql("words IS NOT NULL"),
        ),
    )
    id: int | None = Field(
        sa_column=Column(SEQ, primary_key=True, autoincrement=True), default=None
    )
    signal_id: str = Field(sa_column=Column(TEXT, nullable=False, unique=True))
    updated_at: datetime = when()
    words: str | None = Field(
        sa_column=Column(TSVECTOR().with_variant(Text(), "sqlite"), nullable=True)
    )


class UnmergedRow(SQLModel, table=True, defer_build=True):
    """One row while SQLite's index still holds words that were taken out of it."""

    __tablename__: ClassVar[Any] = "unmerged"
    id: int = Field(primary_key=True)


class RevisionRow(SQLModel, table=True, defer_build=True):
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


class ChangeRow(SQLModel, table=True, defer_build=True):
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


class RelevanceRow(SQLModel, table=True, defer_build=True):
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


class ForgottenRow(SQLModel, table=True, defer_build=True):
    """SHA-256 of a key of a person who is to be forgotten: a poll must not bring him back."""

    __tablename__: ClassVar[Any] = "forgotten"
    digest: str = text(key=True)
    at: datetime = when()
