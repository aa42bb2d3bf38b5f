"""Linkability: two files hold different columns about the same people; do made rows help to put them together?"""

from __future__ import annotations

import numpy as np

from conjure.metrics.attacks.outcome import Outcome, Rate
from conjure.metrics.attacks.tables import Tables
from conjure.metrics.manifold import blocks

NEIGHBOURS = 1


def link(tables: Tables, attempts: int, rng: np.random.Generator, neighbours: int = NEIGHBOURS) -> Outcome:
    """A target is linked when the made rows nearest to both halves of its columns have one in common.

    Giomi et al. 2023, section 3.2. The columns are dealt to the two files at random.
    """
    names = list(rng.permutation(tables.names))
    halves = tuple(names[: len(names) // 2]), tuple(names[len(names) // 2 :])
    sides = []
    for columns in halves:
        members, controls, made = tables.points(columns)
        rows = [_spread(p[:attempts], made, neighbours, rng) for p in (members, controls)]
        sides.append(rows)
    hits = [int((a[:, :, None] == b[:, None, :]).any((1, 2)).sum()) for a, b in zip(*sides)]
    trials = [len(a) for a in sides[0]]
    return Outcome(
        "linkability",
        f"people of whom the {neighbours} made row nearest to each half of their columns is the same one",
        *(Rate(h, t) for h, t in zip(hits, trials)),
    )


def _spread(points: np.ndarray, made: np.ndarray, neighbours: int, rng: np.random.Generator) -> np.ndarray:
    """The nearest made rows of each point, (N, neighbours); among equally near ones any."""
    order = rng.permutation(len(made))
    out = np.zeros((len(points), neighbours), int)
    for rows, squares in blocks(points, made[order]):
        out[rows] = order[np.argpartition(squares, neighbours - 1, axis=1)[:, :neighbours]]
    return out
