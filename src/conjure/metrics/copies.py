"""Rows of the training data that came back: exact copies, and rows nearer to one than chance has it."""

from __future__ import annotations

import numpy as np

from conjure.metrics.bootstrap import Interval, mean_interval
from conjure.metrics.features import Features
from conjure.metrics.frames import Grid
from conjure.metrics.judged import Metric
from conjure.metrics.manifold import nearest

EXACT = Metric(
    "exact copies",
    "share of made rows that equal a training row in every column; the ceiling says how often held-out rows do",
    direction="down",
    guard=True,
)
NEAR = Metric(
    "near copies",
    "share of made rows nearer to a training row than 95 % of held-out rows are; the ceiling is the rest of those",
    direction="down",
    guard=True,
)
SHARE = 0.05
ROWS, TRAINING = 2_000, 50_000


def exact(rows: Grid, train: Grid) -> Interval:
    """The share of rows found among the training rows."""
    return mean_interval(np.isin(hashes(rows), hashes(train)).astype(float), (0, 1))


class Nearness:
    """How near rows come to the training rows, held-out rows setting the scale.

    Both are thinned, by the same generator, to what one core measures in seconds.
    """

    def __init__(self, train: Grid, held_out: Grid, rng: np.random.Generator):
        self.rng = rng
        self.features = Features(train)
        self.train = self.features(train.rows(rng.permutation(len(train))[:TRAINING]))
        self.reference = self._far(held_out)
        self.threshold = float(np.quantile(self.reference, SHARE))

    def share(self, rows: Grid) -> Interval:
        """The share of rows at most as far from training as the nearest twentieth of held-out rows."""
        return self._below(self._far(rows))

    def ceiling(self) -> float:
        """The held-out rows' own share; more than a twentieth where many are equally near."""
        return self._below(self.reference).value

    def _far(self, rows: Grid) -> np.ndarray:
        return nearest(self.features(rows.rows(self.rng.permutation(len(rows))[:ROWS])), self.train)[0]

    def _below(self, far: np.ndarray) -> Interval:
        return mean_interval((far <= self.threshold + 1e-6).astype(float), (0, 1))


def hashes(grid: Grid) -> np.ndarray:
    """One 64-bit number a row, equal for equal rows."""
    import pandas as pd

    columns = pd.concat([pd.DataFrame(grid.numbers), pd.DataFrame(grid.codes)], axis=1, ignore_index=True)
    return pd.util.hash_pandas_object(columns, index=False).to_numpy()
