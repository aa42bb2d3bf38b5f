"""How like real windows of series made ones are: values by channel, correlation over time and between channels."""

from __future__ import annotations

import numpy as np

from conjure.core.errors import DataError
from conjure.core.rng import derive
from conjure.metrics import likelihood
from conjure.metrics.bootstrap import Interval, around, resamples
from conjure.metrics.figure import Report
from conjure.metrics.judged import Judged, Metric
from conjure.metrics.words import summary

FEWEST, ROUNDS = 16, 30
VALUES = Metric(
    "values gap", "mean Kolmogorov-Smirnov distance of a channel's values, made against real", direction="down"
)
TIME = Metric(
    "autocorrelation gap", "mean difference in a channel's correlation with itself some rows on", (0.0, 2.0), "down"
)
BETWEEN = Metric("channel correlation gap", "mean difference in the correlation of two channels", (0.0, 2.0), "down")


def judge(judged: Judged) -> Report:
    """Gaps in values, autocorrelation and channel correlation; the baseline draws every value by itself.

    Objects are sets of series; real ones are cut into windows of the made ones' length. DataError for too few.
    """
    made = np.stack([one.values for one in judged.synthetic])
    real, train = (None if o is None else windows(o, made) for o in (judged.held_out, judged.train))
    for what, side in (("held-out", real), ("made", made)):
        if side is None or len(side) < FEWEST:
            raise DataError(
                f"{0 if side is None else len(side)} {what} windows are too few to judge; {FEWEST} are needed"
            )
    rng = np.random.default_rng(derive(judged.seed, "metrics", "series"))
    alone = None if train is None else independent(train, len(made), rng)
    figures = []
    for metric, gap in ((VALUES, values_gap), (TIME, time_gap), (BETWEEN, between_gap)):
        if metric is BETWEEN and made.shape[2] < 2:
            continue
        ours = _interval(gap, real, made, rng)  # type: ignore[arg-type]
        beside = [None if side is None else gap(real, side) for side in (alone, train)]  # type: ignore[arg-type]
        figures.append(metric.figure(ours, *beside))
    report = Report(judged.title, figures + likelihood.nats(judged), notes=list(judged.notes))
    report.notes.append(
        f"{len(made):,} made windows of {made.shape[1]} rows. Baseline: every value drawn by itself from training "
        "windows. Ceiling: training windows in the place of made ones; a later time may well differ from them."
    )
    report.summary = summary(report.figures)
    return report


def windows(objects: object, like: np.ndarray) -> np.ndarray:
    """Whole windows without a gap, half a length apart, (N, T, C)."""
    length, parts = like.shape[1], []
    for one in objects:  # type: ignore[attr-defined]
        for start in range(one.begin, len(one) - length + 1, max(1, length // 2)):
            part = one.values[start : start + length]
            if np.isfinite(part).all():
                parts.append(part)
    return np.stack(parts) if parts else np.zeros((0, *like.shape[1:]))


def independent(real: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """n windows whose every value is drawn by itself from the same channel."""
    flat = real.reshape(-1, real.shape[2])
    rows = rng.integers(len(flat), size=(n * real.shape[1], real.shape[2]))
    return np.take_along_axis(flat, rows, 0).reshape(n, *real.shape[1:])


def values_gap(real: np.ndarray, made: np.ndarray) -> float:
    """The largest difference of two distribution functions (Kolmogorov 1933), mean over channels."""
    gaps = []
    for k in range(real.shape[2]):
        one, other = np.sort(real[..., k].ravel()), np.sort(made[..., k].ravel())
        at = np.concatenate([one, other])
        shares = [np.searchsorted(side, at, side="right") / len(side) for side in (one, other)]
        gaps.append(np.abs(shares[0] - shares[1]).max())
    return float(np.mean(gaps))


def time_gap(real: np.ndarray, made: np.ndarray) -> float:
    """Mean absolute difference of autocorrelations at 1 .. T / 2 rows, over channels."""
    return float(np.abs(_along(real) - _along(made)).mean())


def between_gap(real: np.ndarray, made: np.ndarray) -> float:
    """Mean absolute difference of the channels' correlation matrices off their diagonal."""
    one, other = (np.corrcoef(side.reshape(-1, side.shape[2]).T) for side in (real, made))
    off = ~np.eye(len(one), dtype=bool)
    return float(np.abs(np.nan_to_num(one) - np.nan_to_num(other))[off].mean())


def _along(side: np.ndarray) -> np.ndarray:
    """Autocorrelation (lags, C), about the mean of all windows."""
    rest = side - side.mean((0, 1))
    power = np.maximum((rest**2).mean((0, 1)), 1e-12)
    lags = range(1, max(2, side.shape[1] // 2 + 1))
    return np.stack([(rest[:, lag:] * rest[:, :-lag]).mean((0, 1)) / power for lag in lags if lag < side.shape[1]])


def _interval(gap: object, real: np.ndarray, made: np.ndarray, rng: np.random.Generator) -> Interval:
    """The gap, give or take what other draws of made windows would change."""
    found = []
    for weights in resamples(len(made), ROUNDS, rng):
        found.append(gap(real, np.repeat(made, weights.astype(int), 0)))  # type: ignore[operator]
    return around(np.array(found), (0.0, np.inf))
