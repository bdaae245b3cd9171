"""Sessions of the dashboard, so that signing out ends them everywhere."""

import sqlalchemy as sa
from alembic import op

from hub.store.columns import TEXT, JsonText, UtcDateTime

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("key_id", TEXT, nullable=True),
        sa.Column("claims", JsonText(), nullable=True),
        sa.Column("issuer", TEXT, nullable=True),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("sessions_end", "sessions", ["ends_at"])
