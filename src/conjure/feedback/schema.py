"""The tables of a feedback store: prompts, completions, raters, rounds, judgements, drafts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)  # SQLite keeps no time zone


class Record(DeclarativeBase):
    """What all tables have in common."""


class Prompt(Record):
    """What is answered; `key` tells equal texts."""

    __tablename__ = "prompts"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    text: Mapped[str] = mapped_column(Text)


class Completion(Record):
    """An answer, and how it came about: the policy's digest ("" for one that was imported), temperature, seed.

    One that was planted asks to be put last: whoever reads it does so.
    """

    __tablename__ = "completions"
    __table_args__ = (UniqueConstraint("prompt_id", "round_id", "key"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompts.id"), index=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"), index=True)
    key: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    policy: Mapped[str] = mapped_column(String(64), default="")
    temperature: Mapped[float | None] = mapped_column(Float, default=None)
    seed: Mapped[int | None] = mapped_column(Integer, default=None)
    planted: Mapped[bool] = mapped_column(default=False)


class Round(Record):
    """One lap of asking people: its criteria, each with a scale from 1 to `points`."""

    __tablename__ = "rounds"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    criteria: Mapped[list[str]] = mapped_column(JSON)
    points: Mapped[int] = mapped_column(default=7)
    made: Mapped[datetime] = mapped_column(DateTime, default=now)


class Rater(Record):
    """Somebody who judges, known by a name and the hash of a token."""

    __tablename__ = "raters"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    token: Mapped[str] = mapped_column(String(64))


class Judgement(Record):
    """What a rater thinks of the completions of a prompt; the latest revision that is not withdrawn is in force.

    `ranks` maps a completion's id to its rank, 1 is best, equal is a tie; `scores` a criterion to such a map of points;
    `shown` are the ids in the order of the page. One that adjudicates stands in the place of all others of its prompt.
    """

    __tablename__ = "judgements"
    __table_args__ = (
        UniqueConstraint("rater_id", "prompt_id", "round_id", "revision"),
        Index("ix_judgements_round", "round_id", "rater_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    rater_id: Mapped[int] = mapped_column(ForeignKey("raters.id"))
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompts.id"))
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    revision: Mapped[int] = mapped_column(default=1)
    ranks: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    scores: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    confidence: Mapped[float | None] = mapped_column(Float, default=None)
    comment: Mapped[str] = mapped_column(Text, default="")
    skipped: Mapped[bool] = mapped_column(default=False)
    flagged: Mapped[bool] = mapped_column(default=False)
    withdrawn: Mapped[bool] = mapped_column(default=False)
    adjudicates: Mapped[bool] = mapped_column(default=False)
    shown: Mapped[list[int] | None] = mapped_column(JSON, default=None)
    seconds: Mapped[float | None] = mapped_column(Float, default=None)
    made: Mapped[datetime] = mapped_column(DateTime, default=now)


class Draft(Record):
    """What a rater had on the page when the tab closed."""

    __tablename__ = "drafts"
    __table_args__ = (UniqueConstraint("rater_id", "prompt_id", "round_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    rater_id: Mapped[int] = mapped_column(ForeignKey("raters.id"))
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompts.id"))
    round_id: Mapped[int] = mapped_column(ForeignKey("rounds.id"))
    page: Mapped[dict[str, Any]] = mapped_column(JSON)
    made: Mapped[datetime] = mapped_column(DateTime, default=now, onupdate=now)
