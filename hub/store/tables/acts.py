"""What administrators did, and who is signed in."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Index
from sqlmodel import SQLModel

from hub.store.tables.fields import json, text, when


class AuditRow(SQLModel, table=True, defer_build=True):
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


class SessionRow(SQLModel, table=True, defer_build=True):
    """Somebody's session at the dashboard: opened by a key, or by what a provider vouches for."""

    __tablename__: ClassVar[Any] = "sessions"
    __table_args__: ClassVar[Any] = (Index("sessions_end", "ends_at"),)
    digest: str = text(key=True)  # of the cookie: who reads the database cannot use it
    key_id: str | None = text(null=True)
    claims: dict[str, Any] | None = json(null=True)  # those that [oidc] looks at
    issuer: str | None = text(null=True)
    opened_at: datetime = when()
    ends_at: datetime = when()
