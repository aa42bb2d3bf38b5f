"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None
branch_labels = depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "prompts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_table(
        "rounds",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("criteria", sa.JSON, nullable=False),
        sa.Column("points", sa.Integer, nullable=False),
        sa.Column("made", sa.DateTime, nullable=False),
    )
    op.create_table(
        "raters",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("token", sa.String(64), nullable=False),
    )
    op.create_table(
        "completions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("prompt_id", sa.Integer, sa.ForeignKey("prompts.id"), nullable=False, index=True),
        sa.Column("round_id", sa.Integer, sa.ForeignKey("rounds.id"), nullable=False, index=True),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("policy", sa.String(64), nullable=False),
        sa.Column("temperature", sa.Float),
        sa.Column("seed", sa.Integer),
        sa.UniqueConstraint("prompt_id", "round_id", "key"),
    )
    _judging()


def _judging() -> None:
    whose = [
        lambda: sa.Column("rater_id", sa.Integer, sa.ForeignKey("raters.id"), nullable=False),
        lambda: sa.Column("prompt_id", sa.Integer, sa.ForeignKey("prompts.id"), nullable=False),
        lambda: sa.Column("round_id", sa.Integer, sa.ForeignKey("rounds.id"), nullable=False),
    ]
    op.create_table(
        "judgements",
        sa.Column("id", sa.Integer, primary_key=True),
        *(column() for column in whose),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("ranks", sa.JSON, nullable=False),
        sa.Column("scores", sa.JSON, nullable=False),
        sa.Column("confidence", sa.Float),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("skipped", sa.Boolean, nullable=False),
        sa.Column("flagged", sa.Boolean, nullable=False),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
        sa.Column("seconds", sa.Float),
        sa.Column("made", sa.DateTime, nullable=False),
        sa.UniqueConstraint("rater_id", "prompt_id", "round_id", "revision"),
    )
    op.create_index("ix_judgements_round", "judgements", ["round_id", "rater_id"])
    op.create_table(
        "drafts",
        sa.Column("id", sa.Integer, primary_key=True),
        *(column() for column in whose),
        sa.Column("page", sa.JSON, nullable=False),
        sa.Column("made", sa.DateTime, nullable=False),
        sa.UniqueConstraint("rater_id", "prompt_id", "round_id"),
    )


def downgrade() -> None:
    """Drop them, those that refer to others first."""
    for name in ("drafts", "judgements", "completions", "raters", "rounds", "prompts"):
        op.drop_table(name)
