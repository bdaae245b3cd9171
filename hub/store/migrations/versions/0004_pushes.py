"""Pushes: what vendors send by themselves."""

import sqlalchemy as sa
from alembic import op

from hub.store.columns import TEXT, JsonText, UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "pushes",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("delivery", TEXT, nullable=False),
        sa.Column("method", TEXT, nullable=False),
        sa.Column("url", TEXT, nullable=False),
        sa.Column("headers", JsonText(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source", "delivery"),
    )
    op.create_index("pushes_received", "pushes", ["received_at"])
    op.create_index("pushes_source", "pushes", ["source", "received_at"])
    is_waiting = sa.text("state = 'waiting'")
    op.create_index(
        "pushes_waiting",
        "pushes",
        ["due_at"],
        sqlite_where=is_waiting,
        postgresql_where=is_waiting,
    )
    op.create_table(
        "push_records",
        sa.Column("source", TEXT, nullable=False),
        sa.Column("external_id", TEXT, nullable=False),
        sa.Column("push_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("source", "external_id", "push_id"),
    )
    op.create_index("push_records_push", "push_records", ["push_id"])
