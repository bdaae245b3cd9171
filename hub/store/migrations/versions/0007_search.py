"""Full text: the words of what is stored already, and of every name."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

from hub.store.columns import TEXT, UtcDateTime

revision = "0007"
down_revision = "0005"

BATCH = 500


def upgrade() -> None:
    for name in ("accounts", "people"):
        op.add_column(name, sa.Column("words", TEXT, nullable=False, server_default=""))
        op.create_index(f"{name}_words", name, ["words", "id"])
    op.create_table(
        "searched",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("signal_id", TEXT, nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("words", TSVECTOR().with_variant(sa.Text(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("signal_id"),
    )
    op.create_index(
        "searched_words",
        "searched",
        ["words"],
        postgresql_using="gin",
        sqlite_where=sa.text("words IS NOT NULL"),
    )
    op.create_table(
        "unmerged",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    if op.get_bind().dialect.name == "sqlite":
        # The words come cut already: every letter that is not ASCII is part of one. What bm25
        # would need is not kept (columnsize).
        op.execute(
            "CREATE VIRTUAL TABLE search_index USING fts5"
            " (title, names, summary, body, tokenize = 'ascii', columnsize = 0)"
        )
        op.execute(
            "CREATE TRIGGER searched_gone AFTER DELETE ON searched"
            " BEGIN DELETE FROM search_index WHERE rowid = old.id; END"
        )
