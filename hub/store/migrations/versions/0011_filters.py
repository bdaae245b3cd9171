"""Indexes by which a filter of signals is judged without reading the signals it leaves out."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

# What filters and access look at.
_JUDGED = ["kind", "source", "department", "status", "severity", "classification", "account_id"]


def upgrade() -> None:
    for name, column in (("signals_author", "author_id"), ("signals_owner", "owner_id")):
        is_set = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"{name}_time",
            "signals",
            [column, "occurred_at", "id"],
            sqlite_where=is_set,
            postgresql_where=is_set,
        )
        op.drop_index(name, "signals")
    if op.get_bind().dialect.name == "sqlite":
        judged = [*_JUDGED, "labels"]
        op.create_index("signals_by_time", "signals", ["occurred_at", "id", *judged])
        op.create_index("signals_by_update", "signals", ["updated_at", "id", *judged])
        judged.remove("severity")
        op.create_index(
            "signals_by_severity", "signals", ["severity", "occurred_at", "id", *judged]
        )
        op.drop_index("signals_updated", "signals")
    else:
        op.create_index("signals_by_time", "signals", ["occurred_at", "id", *_JUDGED])
        for column in ("severity", "status", "department"):
            op.create_index(f"signals_{column}", "signals", [column, "occurred_at", "id"])
        op.create_index("signals_labels", "signals", ["labels"], postgresql_using="gin")
    op.drop_index("signals_occurred", "signals")
