"""What administrators did, and who is signed in on the page."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Index
from sqlmodel import SQLModel

from hub.store.tables.fields import json, text, when


class AuditRow(SQLModel, table=True):
    """One administrative act. Triggers refuse to change or delete a row."""

    __tablename__: ClassVar[Any] = "audit"
    __table_args__: ClassVar[Any] = (Index("audit_at", "at", "id"),)
    id: str = text(key=True)
    at: datetime = when()
    actor: str = text()
    via: str = text()
    act: str = text()
    subject: str | None = text(null=True)
    before: dict[str, Any] | None = json(null=True)
    after: dict[str, Any] | None = json(null=True)


class SessionRow(SQLModel, table=True):
    """Who signed in on the page: the cookie's SHA-256 only.

    With a key by its id, so that a key that ends ends it; with a token as the token said, until
    that ends.
    """

    __tablename__: ClassVar[Any] = "sessions"
    __table_args__: ClassVar[Any] = (Index("sessions_expired", "expires_at"),)
    digest: str = text(key=True)
    key_id: str | None = text(null=True)
    viewer: dict[str, Any] | None = json(null=True)
    created_at: datetime = when()
    expires_at: datetime = when()
