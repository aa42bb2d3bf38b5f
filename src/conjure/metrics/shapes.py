"""Column shapes and column pair trends, as sdmetrics defines them (version 0.32, no thresholds on weak pairs)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from conjure.metrics.bootstrap import Interval, around, resamples
from conjure.metrics.frames import Grid
from conjure.metrics.judged import Metric

SHAPES = Metric(
    "column shapes",
    "how alike each column's distribution is, on average: 1 minus the Kolmogorov-Smirnov distance of a number, "
    "1 minus the total variation distance of a category",
    saturated=True,
)
PAIRS = Metric(
    "column pair trends",
    "how alike each two columns hang together, on average: by correlation of numbers, by contingency table otherwise",
)
BINS = 10
DECIMALS = 14
WORK = 20_000  # comparisons of two columns that all rounds together may take


@dataclass(frozen=True)
class Trends:
    """Scores in [0, 1] by column and by pair of columns; those that are undefined are left out."""

    columns: dict[str, float]
    pairs: dict[tuple[str, str], float]
    shapes: Interval
    trends: Interval | None


def trends(
    real: Grid,
    made: Grid,
    rng: np.random.Generator | None = None,
    pairs: list[tuple[str, str]] | None = None,
) -> Trends:
    """Compare every column and pair of columns (or those `pairs`, without columns that stand in none); with `rng`,
    intervals by resampling the rows of both sides."""
    names = [*real.names[0], *real.names[1]] if pairs is None else list(dict.fromkeys(n for p in pairs for n in p))
    pairs = list(combinations(names, 2)) if pairs is None else pairs
    rounds = 0 if rng is None else int(np.clip(WORK // max(1, len(pairs)), 10, 100))
    rng = rng or np.random.default_rng(0)
    weights = resamples(len(real), rounds, rng), resamples(len(made), rounds, rng)
    sides = [_Side(grid, weight) for grid, weight in zip((real, made), weights)]
    columns = {n: s for n in names if (s := _shape(n, *sides)) is not None}
    together = {p: s for p in pairs if (s := _trend(p, *sides)) is not None}
    return Trends(
        {n: float(s[0]) for n, s in columns.items()},
        {p: float(s[0]) for p, s in together.items()},
        around(np.mean(list(columns.values()), 0), (0, 1)),
        around(np.mean(list(together.values()), 0), (0, 1)) if together else None,
    )


class _Side:
    """One table's columns by name, its rows weighted in R ways: weights (R, rows)."""

    def __init__(self, grid: Grid, weights: np.ndarray):
        self.weights = weights
        self.numbers = {n: grid.numbers[:, k] for k, n in enumerate(grid.names[0])}
        self.codes = {n: grid.codes[:, k] for k, n in enumerate(grid.names[1])}
        # Each table is cut by its own bins, and what is missing joins the largest value, as sdmetrics has it.
        self.bins = {n: _digits(v) for n, v in self.numbers.items()}

    def discrete(self, name: str) -> np.ndarray:
        return self.codes[name] + 1 if name in self.codes else self.bins[name]

    def constant(self, name: str) -> bool:
        values = self.numbers[name]
        present = values[~np.isnan(values)]
        return len(present) == 0 or bool((present == present[0]).all())


def _digits(values: np.ndarray) -> np.ndarray:
    present = values[~np.isnan(values)]
    return np.digitize(values, np.histogram_bin_edges(present, BINS)) if len(present) else np.zeros(len(values), int)


def _shape(name: str, real: _Side, made: _Side) -> np.ndarray | None:
    """The score of one column under each weighting, (R,), over rows where it is not missing."""
    if name in real.codes:
        kept = [side.codes[name] >= 0 for side in (real, made)]
        values = [side.codes[name][k] for side, k in zip((real, made), kept)]
        distance = _variation
    else:
        kept = [~np.isnan(side.numbers[name]) for side in (real, made)]
        values = [side.numbers[name][k].round(DECIMALS) for side, k in zip((real, made), kept)]
        distance = _kolmogorov
    if not all(k.any() for k in kept):
        return None
    return 1 - distance(*values, real.weights[:, kept[0]], made.weights[:, kept[1]])


def _trend(pair: tuple[str, str], real: _Side, made: _Side) -> np.ndarray | None:
    """The score of two columns under each weighting, (R,)."""
    a, b = pair
    if a in real.numbers and b in real.numbers:
        if any(side.constant(name) for side in (real, made) for name in pair):
            return None
        one, other = (_correlation(side.numbers[a], side.numbers[b], side.weights) for side in (real, made))
        return None if np.isnan(one[0] + other[0]) else 1 - np.abs(one - other) / 2
    cells = [side.discrete(a).astype(np.int64) << 32 | side.discrete(b) for side in (real, made)]
    return 1 - _variation(*cells, real.weights, made.weights)


def _kolmogorov(x: np.ndarray, y: np.ndarray, wx: np.ndarray, wy: np.ndarray) -> np.ndarray:
    """Largest gap between the two distribution functions, (R,)."""
    joined = np.concatenate([x, y])
    order = np.argsort(joined, kind="stable")
    last = np.append(np.diff(joined[order]) > 0, True)
    gaps = []
    for p, q in zip(wx, wy):
        steps = np.concatenate([p / p.sum(), -q / q.sum()])[order]
        gaps.append(np.abs(steps.cumsum()[last]).max())
    return np.array(gaps)


def _variation(x: np.ndarray, y: np.ndarray, wx: np.ndarray, wy: np.ndarray) -> np.ndarray:
    """Half the sum of differences in frequency, (R,)."""
    known, cells = np.unique(np.concatenate([x, y]), return_inverse=True)
    here, there = cells[: len(x)], cells[len(x) :]
    size = len(known)
    shares = [
        np.bincount(here, p, size) / max(p.sum(), 1) - np.bincount(there, q, size) / max(q.sum(), 1)
        for p, q in zip(wx, wy)
    ]
    return np.abs(shares).sum(1) / 2


def _correlation(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pearson's r over the rows where neither is missing, (R,); NaN where one of them does not vary."""
    kept = ~(np.isnan(x) | np.isnan(y))
    if kept.sum() < 2:
        return np.full(len(weights), np.nan)
    x, y = x[kept] - x[kept].mean(), y[kept] - y[kept].mean()
    w = weights[:, kept]
    w = w / w.sum(1, keepdims=True)
    mx, my = w @ x, w @ y
    spread = (w @ x**2 - mx**2) * (w @ y**2 - my**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (w @ (x * y) - mx * my) / np.sqrt(np.where(spread > 0, spread, np.nan))
