"""Until when an account's API is not to be called, for all processes."""

import sqlalchemy as sa
from alembic import op

from hub.store.columns import UtcDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("budgets", sa.Column("paused_until", UtcDateTime(), nullable=True))
