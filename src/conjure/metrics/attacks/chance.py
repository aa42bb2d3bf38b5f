"""How often chance would do as well: without a leak members and controls are alike, so their labels may be swapped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

ROUNDS = 4_999
ENOUGH = 20  # exceedances after which more rounds would not change the verdict


def by_relabelling(statistic: Callable[[np.ndarray], float], members: int, total: int, seed: int = 0) -> float:
    """The share of random relabellings whose statistic is at least that of the true labels.

    statistic takes labels (total,), True for members; the true ones are the first `members`. Valid whatever hangs
    together among rows, since labels are swapped row by row. Stops early where a leak is out of the question (Besag and
    Clifford 1991, section 2.2).
    """
    labels = np.arange(total) < members
    found, rng, beyond = statistic(labels), np.random.default_rng(seed), 0
    for done in range(1, ROUNDS + 1):
        beyond += statistic(rng.permutation(labels)) >= found
        if beyond == ENOUGH:
            return beyond / done
    return (beyond + 1) / (ROUNDS + 1)
