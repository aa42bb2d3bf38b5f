"""What a store holds: its rounds, who rated how much in each."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
import sqlalchemy.orm

from conjure.core.config import nearest
from conjure.core.errors import ConfigError, DataError
from conjure.feedback.schema import Completion, Judgement, Rater, Round
from conjure.feedback.store import Store


@dataclass(frozen=True)
class Lap:
    """A round as it stands: how many prompts, completions that were not planted, judgements in force by rater."""

    id: int
    name: str
    criteria: tuple[str, ...]
    points: int
    prompts: int
    completions: int
    judged: dict[str, int]


def rounds(store: Store) -> list[Lap]:
    """All rounds, the oldest first."""
    with store.session() as session:
        return [_lap(session, row) for row in session.scalars(sa.select(Round).order_by(Round.id))]


def choose(store: Store, name: str | None = None) -> Lap:
    """The round of a name, the latest without one; DataError for a store without rounds, ConfigError for another."""
    with store.session() as session:
        names = list(session.scalars(sa.select(Round.name).order_by(Round.id)))
        if not names:
            raise DataError(f"{store.place} is empty: `conjure assistant compare` fills it")
        if name is not None and name not in names:
            raise ConfigError(f"the store has no round {name!r}: {nearest(name, names)}")
        return _lap(session, session.scalar(sa.select(Round).where(Round.name == (name or names[-1]))))


def _lap(session: sa.orm.Session, row: Round) -> Lap:
    real = (Completion.round_id == row.id, ~Completion.planted)
    prompts = session.scalar(sa.select(sa.func.count(sa.distinct(Completion.prompt_id))).where(*real))
    completions = session.scalar(sa.select(sa.func.count()).select_from(Completion).where(*real))
    judged = session.execute(
        sa.select(Rater.name, sa.func.count())
        .join(Judgement, Judgement.rater_id == Rater.id)
        .where(Judgement.round_id == row.id, ~Judgement.withdrawn)
        .group_by(Rater.name)
        .order_by(Rater.name)
    )
    return Lap(
        row.id, row.name, tuple(row.criteria), row.points, prompts or 0, completions or 0, dict(map(tuple, judged))
    )
