"""Planted completions, the order in which completions were shown, judgements that settle a dispute."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"
branch_labels = depends_on = None
NO = sa.false()


def upgrade() -> None:
    """What an older store holds was neither planted nor settled anything, and nobody knows how it was shown."""
    with op.batch_alter_table("completions") as table:
        table.add_column(sa.Column("planted", sa.Boolean, nullable=False, server_default=NO))
    with op.batch_alter_table("judgements") as table:
        table.add_column(sa.Column("adjudicates", sa.Boolean, nullable=False, server_default=NO))
        table.add_column(sa.Column("shown", sa.JSON))


def downgrade() -> None:
    """Forget them."""
    with op.batch_alter_table("judgements") as table:
        table.drop_column("shown")
        table.drop_column("adjudicates")
    with op.batch_alter_table("completions") as table:
        table.drop_column("planted")
