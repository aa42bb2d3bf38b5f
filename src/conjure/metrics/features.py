"""Rows of a table as points: the features that distances, and the linear detector, are measured on."""

from __future__ import annotations

import numpy as np

from conjure.metrics.frames import Grid

WORDS = 50


class Features:
    """Numbers standardised by a reference table, categories one-hot (its 50 most frequent words, others all zero).

    A missing number is the mean, with a column of its own that says so.
    """

    name = "standardised numbers and one-hot categories"

    def __init__(self, reference: Grid):
        numbers = reference.numbers
        absent = np.isnan(numbers)
        count = np.maximum((~absent).sum(0), 1)
        self.mean = np.where(absent, 0, numbers).sum(0) / count
        spread = np.sqrt(np.where(absent, 0, (numbers - self.mean) ** 2).sum(0) / count)
        self.spread = np.where(spread > 0, spread, 1.0)
        self.gaps = np.flatnonzero(absent.any(0))
        self.kept = []
        for column in reference.codes.T:
            words, counts = np.unique(column, return_counts=True)
            self.kept.append(words[np.argsort(-counts, kind="stable")][:WORDS])

    def __call__(self, grid: Grid) -> np.ndarray:
        """Points (rows, D), float64."""
        absent = np.isnan(grid.numbers)
        numbers = np.where(absent, 0.0, (grid.numbers - self.mean) / self.spread)
        hot = [column[:, None] == words for column, words in zip(grid.codes.T, self.kept)]
        return np.concatenate([numbers, absent[:, self.gaps], *hot], axis=1, dtype=np.float64)
