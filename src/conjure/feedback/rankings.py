"""Judgements of a round as arrays: for agreement, and for a reward model to learn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from conjure.feedback.schema import Completion, Judgement, Prompt, Rater
from conjure.feedback.store import Store

RANK = "rank"


@dataclass(frozen=True)
class Ranked:
    """One rater's view of one prompt: completions with their ranks (NaN: not ranked) and points by criterion."""

    prompt: str
    completions: tuple[str, ...]
    ranks: tuple[float, ...]
    scores: dict[str, tuple[float, ...]]
    rater: str


@dataclass(frozen=True)
class Panel:
    """Ratings of a round, (raters, completions) by criterion with NaN for gaps; `rank` is among the criteria."""

    raters: tuple[str, ...]
    completions: np.ndarray  # (I,) ids
    prompts: np.ndarray  # (I,) the prompt of each
    ratings: dict[str, np.ndarray]


def ranked(store: Store, round_id: int) -> Iterator[Ranked]:
    """Every judgement in force that is not skipped, prompt by prompt."""
    for prompt, rater, row, shown in _rows(store, round_id):
        ids = list(shown)
        scores = {name: tuple(_number(rated.get(str(i))) for i in ids) for name, rated in row.scores.items()}
        ranks = tuple(_number(row.ranks.get(str(i))) for i in ids)
        yield Ranked(prompt, tuple(shown.values()), ranks, scores, rater)


def panel(store: Store, round_id: int) -> Panel:
    """All judgements in force as one table a criterion, for `agreement`."""
    cells: dict[str, dict[tuple[str, int], float]] = {}
    raters: dict[str, None] = {}
    items: dict[int, str] = {}
    for prompt, rater, row, shown in _rows(store, round_id):
        raters[rater] = None
        items |= dict.fromkeys(shown, prompt)
        for name, rated in {RANK: row.ranks, **row.scores}.items():
            for i, value in rated.items():
                cells.setdefault(name, {})[rater, int(i)] = _number(value)
    rows, columns = {r: k for k, r in enumerate(raters)}, {i: k for k, i in enumerate(items)}
    ratings = {}
    for name, found in cells.items():
        ratings[name] = np.full((len(rows), len(columns)), np.nan)
        for (rater, i), value in found.items():
            ratings[name][rows[rater], columns[i]] = value
    return Panel(tuple(rows), np.array(list(columns), int), np.array(list(items.values()), object), ratings)


def _rows(store: Store, round_id: int) -> Iterator[tuple[str, str, Judgement, dict[int, str]]]:
    """(prompt, rater, judgement, completions by id) of all judgements in force."""
    with store.session() as session:
        shown: dict[int, dict[int, str]] = {}
        for c in session.scalars(sa.select(Completion).where(Completion.round_id == round_id).order_by(Completion.id)):
            shown.setdefault(c.prompt_id, {})[c.id] = c.text
        found = session.execute(
            sa.select(Judgement, Prompt.text, Rater.name)
            .join(Prompt, Prompt.id == Judgement.prompt_id)
            .join(Rater, Rater.id == Judgement.rater_id)
            .where(Judgement.round_id == round_id, ~Judgement.withdrawn, ~Judgement.skipped)
            .order_by(Judgement.prompt_id, Judgement.id)
        )
        for row, prompt, rater in found:
            yield prompt, rater, row, shown[row.prompt_id]


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
