"""Intervals by resampling rows (Efron 1979): how far a figure would move with other rows of the same kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

ROUNDS = 100


class Interval(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> Interval:
        low, high = sorted((self.low * factor, self.high * factor))
        return Interval(self.value * factor, low, high)


def resamples(rows: int, rounds: int, rng: np.random.Generator) -> np.ndarray:
    """How often each row is drawn, (1 + rounds, rows): first once each, then with replacement."""
    drawn = rng.multinomial(rows, np.full(rows, 1 / rows), size=rounds)
    return np.concatenate([np.ones((1, rows)), drawn])


def around(values: np.ndarray, limits: tuple[float, float] = (-np.inf, np.inf)) -> Interval:
    """The first value, give or take 1.96 standard deviations of the resampled others.

    Not their quantiles: a distance between samples only grows when rows are drawn twice, so its resampled
    values lie beside the figure instead of around it.
    """
    value, drawn = float(values[0]), np.asarray(values[1:])
    spread = 1.96 * float(np.nanstd(drawn)) if np.isfinite(drawn).any() else np.nan
    return _inside(value, spread, limits)


def interval(
    measure: Callable[[np.ndarray], float],
    rows: int,
    rng: np.random.Generator,
    limits: tuple[float, float] = (-np.inf, np.inf),
    rounds: int = ROUNDS,
) -> Interval:
    """measure(weights of the rows) with its interval."""
    return around(np.array([measure(w) for w in resamples(rows, rounds, rng)]), limits)


def mean_interval(values: np.ndarray, limits: tuple[float, float] = (-np.inf, np.inf)) -> Interval:
    """The mean of independent values, give or take 1.96 standard errors: what resampling would tend to."""
    mean, spread = float(np.mean(values)), 1.96 * float(np.std(values)) / len(values) ** 0.5
    return _inside(mean, spread, limits)


def _inside(value: float, spread: float, limits: tuple[float, float]) -> Interval:
    low, high = np.clip([value - spread, value + spread], *limits)
    return Interval(value, float(low), float(high))
