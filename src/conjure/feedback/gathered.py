"""What people said in several rounds, with how far each rater is trusted: what a reward model learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from conjure.core.errors import DataError
from conjure.feedback import overview
from conjure.feedback.opinions import Ranked
from conjure.feedback.rankings import ranked
from conjure.feedback.store import Store
from conjure.feedback.study import study


@dataclass(frozen=True)
class Gathered:
    """Rankings of the rounds, trust by rater (0 careless .. 1), and what to know."""

    rankings: list[Ranked]
    trust: dict[str, float]
    notes: list[str]


def gather(store: Store, names: list[str] | None = None) -> Gathered:
    """All judgements of these rounds (None: of all); a rater's trust is the mean over the rounds of what it was there.

    DataError for an empty store, or rounds in which nobody judged.
    """
    laps = [overview.choose(store, name) for name in names] if names else overview.rounds(store)
    if not laps:
        overview.choose(store)  # says that the store is empty
    rankings: list[Ranked] = []
    trusted: dict[str, list[float]] = {}
    notes = []
    for lap in laps:
        if not lap.judged:
            continue
        found = list(ranked(store, lap.id))
        if not found:  # all were skipped
            continue
        rankings += found
        seen = study(store, lap.id)
        notes += [f"{lap.name}: {note}" for note in seen.notes]
        notes += [f"{lap.name}: {w.name} does not count: {w.careless}" for w in seen.raters if w.careless]
        for name, value in seen.trust().items():
            trusted.setdefault(name, []).append(value)
    if not rankings:
        raise DataError("nobody has judged anything yet: `conjure assistant rank` asks people")
    return Gathered(rankings, {name: float(np.mean(values)) for name, values in trusted.items()}, notes)
