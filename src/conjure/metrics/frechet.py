"""The Frechet distance between two clouds of points taken for Gaussians; it says which features it is of."""

from __future__ import annotations

import numpy as np

from conjure.metrics.bootstrap import Interval, interval
from conjure.metrics.judged import Metric


def metric(features: str) -> Metric:
    """Named after its features, never after a network that is not there."""
    return Metric(
        f"FD({features})",
        "Frechet distance between made and real ones, of means and covariances of these features; it grows with "
        "fewer samples, so it is read beside the ceiling",
        (0.0, np.inf),
        "down",
    )


def frechet(real: np.ndarray, made: np.ndarray, rng: np.random.Generator | None = None) -> Interval:
    """FD of points (N, D) and (M, D); with `rng`, its interval over resampled made points."""
    mean, root = real.mean(0), _root(_covariance(real, np.ones(len(real))))

    def distance(weights: np.ndarray) -> float:
        spread = _covariance(made, weights)
        gap = ((mean - weights @ made / weights.sum()) ** 2).sum()
        inner = np.linalg.eigvalsh(root @ spread @ root)
        both = np.trace(root @ root) + np.trace(spread) - 2 * np.sqrt(np.maximum(inner, 0)).sum()
        return float(max(0.0, gap + both))

    if rng is None:
        value = distance(np.ones(len(made)))
        return Interval(value, value, value)
    return interval(distance, len(made), rng, (0, np.inf), rounds=40)


def _covariance(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    share = weights / weights.sum()
    away = points - share @ points
    return (away * share[:, None]).T @ away


def _root(matrix: np.ndarray) -> np.ndarray:
    """The symmetric square root: |m1 - m2|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2) needs no other (Dowson 1982)."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
