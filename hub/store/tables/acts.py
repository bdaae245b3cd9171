"""What administrators did."""

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
