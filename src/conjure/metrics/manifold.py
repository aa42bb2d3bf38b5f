"""Do made points lie where real ones do, and reach everywhere real ones are? Nearest neighbours on stated features.

Memory stays at one block of distances; the number of points a side is capped, and stated, by the caller.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from conjure.metrics.bootstrap import Interval, interval, mean_interval
from conjure.metrics.judged import Metric

PRECISION = Metric("precision", "share of made points in a ball from a real point to its 3rd neighbour")
RECALL = Metric(
    "recall",
    "share of real points in a ball from a made point to its 3rd neighbour; it falls with lost variety, not with noise",
)
DENSITY = Metric("density", "how many real neighbourhoods a made point lies in, over those expected", (0.0, np.inf))
COVERAGE = Metric("coverage", "share of real points with a made point nearer than their 5th real neighbour")
ALPHA = Metric(
    "alpha-precision",
    "whether made points fall into the innermost 10, 20 ... 100 % of the real ones as often as real points do",
)
BETA = Metric(
    "beta-recall",
    "whether the innermost 10, 20 ... 100 % of the made points reach that share of the real ones",
)
NEAR, DENSE = 3, 5  # neighbours: Kynkaanniemi et al. 2019, sec. 3; Naeem et al. 2020, sec. 5
STEPS = 30
BLOCK = 1 << 24  # distances held at once
SLACK = 1e-9  # equal points differ by rounding in the expanded square below


def blocks(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Squared distances of a (N, D) to b (M, D), some rows (n, M) at a time."""
    square = (b**2).sum(1)
    step = max(1, BLOCK // len(b))
    for start in range(0, len(a), step):
        rows = slice(start, start + step)
        part = a[rows]
        yield rows, np.maximum((part**2).sum(1)[:, None] + square - 2 * (part @ b.T), 0.0)


def nearest(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each point of a to the nearest of b (N,), and which one that is (N,)."""
    far, which = np.zeros(len(a)), np.zeros(len(a), int)
    for rows, squares in blocks(a, b):
        which[rows] = squares.argmin(1)
        far[rows] = np.sqrt(squares[np.arange(len(squares)), which[rows]])
    return far, which


def radii(points: np.ndarray, neighbours: tuple[int, ...]) -> np.ndarray:
    """Squared distance of each point to its k-th nearest other one, (len(neighbours), N)."""
    out = np.zeros((len(neighbours), len(points)))
    for rows, squares in blocks(points, points):
        squares[np.arange(len(squares)), np.arange(len(points))[rows]] = -1.0  # itself comes first
        most = min(max(neighbours), len(points) - 1)
        closest = np.sort(np.partition(squares, most, axis=1)[:, : most + 1], axis=1)
        out[:, rows] = closest[:, [min(k, most) for k in neighbours]].T
    return out


def neighbourhoods(real: np.ndarray, made: np.ndarray) -> dict[str, Interval]:
    """Precision and recall (Kynkaanniemi et al. 2019, eq. 1), density and coverage (Naeem et al. 2020, eq. 3, 5).

    Both sides should hold as many points: all four move with their number. Intervals are over the points
    that are averaged, the other side kept.
    """
    near, dense = radii(real, (NEAR, DENSE)) + SLACK
    reach = radii(made, (NEAR,))[0] + SLACK
    inside, hits = np.zeros(len(made), bool), np.zeros(len(made))
    found, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for rows, squares in blocks(made, real):
        inside[rows] = (squares <= near).any(1)
        within = squares <= dense
        hits[rows] = within.sum(1) / min(DENSE, len(real) - 1)
        covered |= within.any(0)
        found |= (squares <= reach[rows, None]).any(0)
    values = {PRECISION: inside, RECALL: found, DENSITY: hits, COVERAGE: covered}
    return {metric.name: mean_interval(v.astype(float), metric.range) for metric, v in values.items()}


def precision_recall_curves(real: np.ndarray, made: np.ndarray, rng: np.random.Generator) -> dict[str, Interval]:
    """Alpha-precision and beta-recall, integrated (Alaa et al. 2022, sec. 3, eq. 7-9).

    Spheres around the mean of the features stand for the paper's learnt one-class embedding. Each is one minus
    the mean gap between its curve and the diagonal, over that of a curve of zeros.
    """
    levels = np.linspace(0, 1, STEPS)
    out = np.sqrt(((real - real.mean(0)) ** 2).sum(1))
    made_out = np.sqrt(((made - real.mean(0)) ** 2).sum(1))
    step = np.searchsorted(np.quantile(out, levels) + SLACK, made_out)  # the first sphere that holds the point

    to_real = np.sqrt(radii(real, (1,))[0])
    to_made, which = nearest(real, made)
    own = np.sqrt(((made - made.mean(0)) ** 2).sum(1))[which]
    reached = np.searchsorted(np.quantile(own, levels) + SLACK, own)
    reached = np.where(to_made <= to_real + SLACK**0.5, reached, STEPS)
    return {
        metric.name: interval(lambda w, at=at: _diagonal(at, w, levels), len(at), rng, (0, 1))
        for metric, at in ((ALPHA, step), (BETA, reached))
    }


def _diagonal(step: np.ndarray, weights: np.ndarray, levels: np.ndarray) -> float:
    curve = np.cumsum(np.bincount(step, weights, STEPS + 1)[:STEPS]) / weights.sum()
    return float(1 - np.abs(levels - curve).sum() / levels.sum())
