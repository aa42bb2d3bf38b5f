"""Attribute inference: all about a person is known but one column; do made rows betray it?"""

from __future__ import annotations

import numpy as np

from conjure.metrics.attacks.outcome import Outcome, Rate
from conjure.metrics.attacks.tables import Tables
from conjure.metrics.frames import Grid
from conjure.metrics.manifold import nearest

TOLERANCE = 0.05  # of the span between a number's 5 % and 95 % quantile


def infer(tables: Tables, secret: str, attempts: int) -> Outcome:
    """The secret is guessed to be that of the made row nearest in all other columns (Giomi et al. 2023, sec. 3.3).

    A category is found when the guess is right, a number when it is off by at most a twentieth of its usual span.
    """
    known = tuple(n for n in tables.names if n != secret)
    members, controls, made = tables.points(known)
    answers = [_column(g, secret) for g in (tables.members, tables.controls, tables.made)]
    is_number = secret in tables.made.names[0]
    off = TOLERANCE * float(np.subtract(*np.nanquantile(answers[0], [0.95, 0.05]))) if is_number else 0.0
    rates = []
    for points, truth in ((members, answers[0]), (controls, answers[1])):
        points, truth = points[:attempts], truth[:attempts]
        guess = answers[2][nearest(points, made)[1]]
        hit = np.abs(guess - truth) <= off if is_number else guess == truth
        rates.append(Rate(int(hit.sum()), len(points)))
    return Outcome(f"attribute inference: {secret}", f"people whose {secret} the nearest made row tells", *rates)


def _column(grid: Grid, name: str) -> np.ndarray:
    numbers, categories = grid.names
    return (
        grid.numbers[:, numbers.index(name)] if name in numbers else grid.codes[:, categories.index(name)].astype(float)
    )
