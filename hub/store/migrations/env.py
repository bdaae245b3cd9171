"""Runs the migrations on the connection that `hub.store.migrate` hands over."""

from alembic import context
from sqlmodel import SQLModel

import hub.store.tables  # noqa: F401 - declares the tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
