"""Tokens of sign-ins, sealed; when each source last brought something."""

import sqlalchemy as sa
from alembic import op

from hub.store.columns import TEXT, UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("sources", sa.Column("brought_at", UtcDateTime(), nullable=True))
    op.create_table(
        "tokens",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("sealed", TEXT, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("lease", TEXT, nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
