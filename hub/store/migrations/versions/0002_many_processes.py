"""Many processes: snapshots of the configuration, shared budgets, chores, the forgotten."""

import sqlalchemy as sa
from alembic import op

from hub.store.columns import TEXT, JsonText, UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("trace", TEXT, nullable=True))
    op.add_column("sources", sa.Column("problem", TEXT, nullable=True))
    is_waiting = sa.text("state = 'pending'")
    op.create_index(
        "deliveries_waiting",
        "deliveries",
        ["endpoint_id", "next_attempt_at"],
        sqlite_where=is_waiting,
        postgresql_where=is_waiting,
    )
    op.create_index("account_keys_owner", "account_keys", ["owner_id"])
    op.create_index("person_keys_owner", "person_keys", ["owner_id"])
    for name, column in (("signals_author", "author_id"), ("signals_owner", "owner_id")):
        is_set = sa.text(f"{column} IS NOT NULL")
        op.create_index(name, "signals", [column], sqlite_where=is_set, postgresql_where=is_set)
    op.create_index("signals_source", "signals", ["source", "occurred_at"])
    op.create_table(
        "snapshots",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("tables", JsonText(), nullable=False),
        sa.Column("problems", JsonText(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("seq"),
    )
    op.create_table(
        "budgets",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("calls", JsonText(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "chores",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("lease", TEXT, nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "forgotten",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
