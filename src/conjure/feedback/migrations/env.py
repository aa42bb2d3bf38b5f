"""What alembic runs: the steps, over the connection that the store has already opened."""

from __future__ import annotations

from alembic import context

from conjure.feedback.schema import Record

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Record.metadata,
    render_as_batch=True,  # SQLite alters a table by making it anew
)
with context.begin_transaction():
    context.run_migrations()
