"""Judgements of a round as arrays: for agreement, and for a reward model to learn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from conjure.feedback.opinions import RANK, Ranked
from conjure.feedback.schema import Completion, Judgement, Prompt, Rater
from conjure.feedback.store import Store


@dataclass(frozen=True)
class Panel:
    """Ratings of a round, (raters, completions) by criterion with NaN for gaps; `rank` is among the criteria."""

    raters: tuple[str, ...]
    completions: np.ndarray  # (I,) ids
    prompts: np.ndarray  # (I,) the prompt of each
    ratings: dict[str, np.ndarray]


def ranked(store: Store, round_id: int) -> Iterator[Ranked]:
    """Every judgement in force that is not skipped, prompt by prompt; of a settled dispute what settled it alone."""
    rows = list(_rows(store, round_id))
    decided = {row.prompt_id for _, _, row, _ in rows if row.adjudicates}
    for prompt, rater, row, shown in rows:
        if row.prompt_id in decided and not row.adjudicates:
            continue
        ids = list(shown)
        scores = {name: tuple(_number(rated.get(str(i))) for i in ids) for name, rated in row.scores.items()}
        ranks = tuple(_number(row.ranks.get(str(i))) for i in ids)
        at = {i: place for place, i in enumerate(row.shown or ())}
        places = tuple(at[i] for i in ids) if at.keys() >= set(ids) else ()
        yield Ranked(prompt, tuple(shown.values()), ranks, scores, rater, places, tuple(ids))


def panel(store: Store, round_id: int) -> Panel:
    """All judgements in force as one table a criterion, for `agreement`; what settled a dispute is no rater's."""
    cells: dict[str, dict[tuple[str, int], float]] = {}
    raters: dict[str, None] = {}
    items: dict[int, str] = {}
    for prompt, rater, row, shown in _rows(store, round_id):
        if row.adjudicates:
            continue
        raters[rater] = None
        items |= dict.fromkeys(shown, prompt)
        for name, rated in {RANK: row.ranks, **row.scores}.items():
            for i, value in rated.items():
                if int(i) in shown:  # and not planted
                    cells.setdefault(name, {})[rater, int(i)] = _number(value)
    rows, columns = {r: k for k, r in enumerate(raters)}, {i: k for k, i in enumerate(items)}
    ratings = {}
    for name, found in cells.items():
        ratings[name] = np.full((len(rows), len(columns)), np.nan)
        for (rater, i), value in found.items():
            ratings[name][rows[rater], columns[i]] = value
    return Panel(tuple(rows), np.array(list(columns), int), np.array(list(items.values()), object), ratings)


def settled(store: Store, round_id: int) -> set[str]:
    """Prompts whose dispute somebody has settled."""
    rows = sa.select(Prompt.text).join(Judgement, Judgement.prompt_id == Prompt.id)
    with store.session() as session:
        return set(
            session.scalars(rows.where(Judgement.round_id == round_id, Judgement.adjudicates, ~Judgement.withdrawn))
        )


def checks(store: Store, round_id: int) -> dict[str, tuple[int, int]]:
    """How often each rater put a planted completion last, as it asks: (times, of how many)."""
    found: dict[str, tuple[int, int]] = {}
    with store.session() as session:
        planted = sa.select(Completion).where(Completion.round_id == round_id, Completion.planted)
        asks = {c.prompt_id: c.id for c in session.scalars(planted)}
        for row, rater in session.execute(_in_force(round_id).where(Judgement.prompt_id.in_(asks))):
            ranks = {int(i): rank for i, rank in row.ranks.items()}
            own = ranks.pop(asks[row.prompt_id], None)
            right = own is not None and all(own > rank for rank in ranks.values())
            passed, seen = found.get(rater, (0, 0))
            found[rater] = passed + right, seen + 1
    return found


def _in_force(round_id: int) -> sa.Select[tuple[Judgement, str]]:
    return (
        sa.select(Judgement, Rater.name)
        .join(Rater, Rater.id == Judgement.rater_id)
        .where(Judgement.round_id == round_id, ~Judgement.withdrawn, ~Judgement.skipped)
        .order_by(Judgement.prompt_id, Judgement.id)
    )


def _rows(store: Store, round_id: int) -> Iterator[tuple[str, str, Judgement, dict[int, str]]]:
    """(prompt, rater, judgement, completions by id) of all judgements in force; what was planted is left out."""
    with store.session() as session:
        shown: dict[int, dict[int, str]] = {}
        real = sa.select(Completion).where(Completion.round_id == round_id, ~Completion.planted)
        for c in session.scalars(real.order_by(Completion.id)):
            shown.setdefault(c.prompt_id, {})[c.id] = c.text
        asked = sa.select(Judgement.prompt_id).where(Judgement.round_id == round_id)
        texts = dict(map(tuple, session.execute(sa.select(Prompt.id, Prompt.text).where(Prompt.id.in_(asked)))))
        for row, rater in session.execute(_in_force(round_id)):
            yield texts[row.prompt_id], rater, row, shown[row.prompt_id]


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
