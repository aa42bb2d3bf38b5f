"""Whether people prefer what one writer wrote to what another did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from conjure.feedback.rankings import ranked
from conjure.feedback.schema import Completion
from conjure.feedback.store import Store
from conjure.metrics import bootstrap
from conjure.metrics.bootstrap import Interval


@dataclass(frozen=True)
class Wins:
    """The share of pairs in which the improved writer's completion is preferred, a tie half: by all raters, and by
    those whom the reward model did not learn from (None where there are none). Intervals are over prompts.
    """

    pairs: int
    all: Interval
    held_out: Interval | None


def wins(store: Store, round_id: int, improved: str, before: str, held: Sequence[str] = ()) -> Wins | None:
    """Of a round in which both writers' completions (by their digests) were judged; None where nobody compared them."""
    with store.session() as session:
        rows = session.execute(sa.select(Completion.id, Completion.policy).where(Completion.round_id == round_id))
        policy = dict(map(tuple, rows))
    prompts: dict[str, int] = {}
    found: list[tuple[int, bool, float]] = []
    for one in ranked(store, round_id):
        at = prompts.setdefault(one.prompt, len(prompts))
        new = [r for i, r in zip(one.ids, one.ranks) if policy[i] == improved and not np.isnan(r)]
        old = [r for i, r in zip(one.ids, one.ranks) if policy[i] == before and not np.isnan(r)]
        found += [(at, one.rater in held, (np.sign(b - a) + 1) / 2) for a in new for b in old]
    if not found:
        return None
    row, is_held, won = map(np.array, zip(*found))
    every = _mean(won, row, len(prompts))
    return Wins(len(found), every, _mean(won[is_held], row[is_held], len(prompts)) if is_held.any() else None)


def _mean(values: np.ndarray, row: np.ndarray, prompts: int) -> Interval:
    total, count = np.bincount(row, values, prompts), np.bincount(row, minlength=prompts)
    measure = lambda w: float((total @ w) / (count @ w)) if count @ w else float("nan")  # noqa: E731
    return bootstrap.interval(measure, prompts, np.random.default_rng(0), (0, 1), 200)
