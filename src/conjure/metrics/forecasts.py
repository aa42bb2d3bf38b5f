"""The judge of time series: forecasts against what came, beside the naive ones; or windows made without a history."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from conjure.metrics import likelihood, resemblance
from conjure.metrics.bootstrap import Interval, mean_interval
from conjure.metrics.figure import Figure, Report, Table
from conjure.metrics.judged import Judged, Metric

LOW, HIGH, INSIDE = 0.1, 0.9, 0.8
MSE = Metric("MSE", "mean squared error of the median, in variances of the data", (0.0, math.inf), "down")
MAE = Metric("MAE", "mean absolute error of the median, in standard deviations of the data", (0.0, math.inf), "down")
MASE = Metric(
    "MASE",
    "absolute error of the median over that of repeating the season within the history",
    (0.0, math.inf),
    "down",
)
CRPS = Metric(
    "CRPS",
    "continuous ranked probability score, in standard deviations of the data: the error of the whole distribution",
    (0.0, math.inf),
    "down",
)
GAP = Metric("coverage gap", "how far the 80 % interval is from holding 80 % of what came", (0.0, INSIDE), "down")
WIDTH = Metric("interval width", "mean width of the 80 % interval, in standard deviations", (0.0, math.inf), "down")
SHOWN = 3
BANDS = ("repeat last", "seasonal naive", "mean of history")


@dataclass(frozen=True)
class Forecasts:
    """Histories (N, L, C), what came after (N, T, C) with NaN where unknown, quantiles of it (N, K, T, C)."""

    history: np.ndarray
    truth: np.ndarray
    quantiles: np.ndarray
    levels: tuple[float, ...]

    def at(self, level: float) -> np.ndarray:
        return self.quantiles[:, self.levels.index(level)]


def judge(judged: Judged) -> Report:
    """Errors, CRPS and coverage of forecasts beside naive ones; windows without a history go to `resemblance`."""
    if not judged.synthetic.levels:
        return resemblance.judge(judged)
    found, scale = _aligned(judged)
    season = (judged.held_out if judged.train is None else judged.train).period
    naive = {name: points(found.history, found.truth.shape[1], name, season) for name in BANDS}
    blocks = max(2, min(len(found.truth), _rows(judged) // found.truth.shape[1]))
    report = Report(judged.title, _figures(found, naive, (scale, season, blocks)), notes=list(judged.notes))
    report.figures += likelihood.nats(judged)
    report.tables.append(_beside(found, naive, scale, season))
    report.notes += [
        f"{len(found.truth):,} windows of {found.truth.shape[1]} rows after {found.history.shape[1]}; the season is "
        f"{season} rows; errors are over each channel's standard deviation, missing values do not count.",
        "Baseline: the best of the three naive forecasts, all of which stand in the table. A naive forecast is a "
        "point, whose CRPS is its absolute error. No ceiling: how well the future can be known, nobody knows.",
        "Windows overlap: the intervals treat stretches of one horizon as independent.",
    ]
    inside = coverage(found.truth, found.at(LOW), found.at(HIGH))
    worth = 1 - report["CRPS"].ours / report["CRPS"].baseline
    report.summary = [
        f"The 80 % interval held {inside:.1%} of what came.",
        f"By CRPS the forecasts are {abs(worth):.0%} {'better' if worth > 0 else 'worse'} than the best naive one.",
    ]
    return report


def crps_quantiles(truth: np.ndarray, quantiles: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """CRPS from quantiles at even levels: twice the mean pinball loss, elementwise.

    CRPS = 2 int_0^1 (tau - 1[y < q_tau]) (y - q_tau) d tau (Gneiting and Ranjan 2011, eq. 3), each of K even levels
    k / (K + 1) standing for its share; the tails beyond the outermost are not seen.

    Shapes: truth (N, ...), quantiles (N, K, ...), result (N, ...).
    """
    error = truth[:, None] - quantiles
    tau = np.asarray(levels).reshape(-1, *[1] * (truth.ndim - 1))
    return 2 * np.maximum(tau * error, (tau - 1) * error).mean(1)


def crps_samples(truth: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """CRPS from M draws: E|X - y| - E|X - X'| / 2 (Gneiting and Raftery 2007, eq. 21), without bias.

    Shapes: truth (N, ...), samples (N, M, ...), result (N, ...).
    """
    count = samples.shape[1]
    ordered = np.sort(samples, 1)
    weight = (2 * np.arange(1, count + 1) - count - 1).reshape(-1, *[1] * (truth.ndim - 1))
    spread = (weight * ordered).sum(1) / (count * (count - 1))
    return np.abs(samples - truth[:, None]).mean(1) - spread


def coverage(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """The share of known values within [low, high]."""
    known = np.isfinite(truth)
    return float(((truth >= low) & (truth <= high))[known].mean())


def points(history: np.ndarray, horizon: int, name: str, season: int) -> np.ndarray:
    """A naive forecast (N, horizon, C) of histories (N, L, C); what is missing in them is the value before it."""
    filled = forward(history)
    if name == "mean of history":
        known = np.isfinite(history)
        mean = np.where(known, history, 0).sum(1, keepdims=True) / np.maximum(1, known.sum(1, keepdims=True))
        return np.repeat(mean, horizon, 1)
    back = 1 if name == "repeat last" else min(season, history.shape[1])
    return filled[:, history.shape[1] - back + np.arange(horizon) % back]


def forward(values: np.ndarray) -> np.ndarray:
    """Missing values of (N, L, C) replaced by the last before them, at the start by the first after, else by 0."""
    length = values.shape[1]
    place = np.where(np.isfinite(values), np.arange(length)[None, :, None], -1)
    last = np.maximum.accumulate(place, 1)
    first = np.where(np.isfinite(values), np.arange(length)[None, :, None], length).min(1, keepdims=True)
    found = np.take_along_axis(values, np.where(last < 0, np.minimum(first, length - 1), last), 1)
    return np.nan_to_num(found)


def mase(truth: np.ndarray, median: np.ndarray, history: np.ndarray, season: int) -> np.ndarray:
    """Absolute error over the mean one of repeating the season within the history, (N,) (Hyndman & Koehler 2006).

    The scale is that of each history and channel; channels whose history repeats itself exactly are left out.
    """
    season = season if season < history.shape[1] else 1
    steps = np.abs(history[:, season:] - history[:, :-season])
    known, ahead = np.isfinite(steps), np.isfinite(truth)
    scale = np.where(known, steps, 0).sum(1) / np.maximum(1, known.sum(1))  # (N, C)
    error = np.where(ahead, np.abs(truth - median), 0).sum(1) / np.maximum(1, ahead.sum(1))
    counts = (scale > 1e-9) & ahead.any(1)
    ratio = np.where(counts, error / np.where(counts, scale, 1), 0)
    return ratio.sum(1) / np.maximum(1, counts.sum(1))


def _aligned(judged: Judged) -> tuple[Forecasts, np.ndarray]:
    """Forecasts beside what came, and each channel's standard deviation, in training where that is known."""
    made, known = judged.synthetic, {one.name: one for one in judged.held_out}
    order = [judged.held_out.columns.index(name) for name in made.columns]
    truth = []
    for one in made:
        whole = known[one.name]
        after = one.row - whole.row + len(one)
        truth.append(whole.values[after : after + one.forecast.shape[1], order])
    basis = judged.held_out if judged.train is None else judged.train
    rows = np.concatenate([one.values for one in basis])[:, [basis.columns.index(name) for name in made.columns]]
    scale = np.nanstd(rows, 0)
    history, quantiles = (np.stack([getattr(one, what) for one in made]) for what in ("values", "forecast"))
    return Forecasts(history, np.stack(truth), quantiles, made.levels), np.where(scale > 1e-12, scale, 1.0)


def _figures(found: Forecasts, naive: dict[str, np.ndarray], how: tuple[np.ndarray, int, int]) -> list[Figure]:
    scale, season, blocks = how
    ours = _losses(found.truth, found.at(0.5), found.history, (scale, season))
    ours["CRPS"] = _mean(crps_quantiles(found.truth, found.quantiles, found.levels) / scale)
    theirs = [_losses(found.truth, point, found.history, (scale, season)) for point in naive.values()]
    made = []
    for metric in (CRPS, MSE, MAE, MASE):
        baseline = min(float(np.nanmean(one[metric.name])) for one in theirs)
        made.append(metric.figure(_interval(ours[metric.name], blocks), baseline))
    low, high = found.at(LOW), found.at(HIGH)
    inside = _mean(np.where(np.isfinite(found.truth), (found.truth >= low) & (found.truth <= high), np.nan))
    spread = _interval(inside, blocks)
    gap = abs(spread.value - INSIDE)
    half = (spread.high - spread.low) / 2
    made.append(GAP.figure(Interval(gap, max(0.0, gap - half), gap + half)))
    return [*made, WIDTH.figure(_interval(_mean((high - low) / scale), blocks))]


def _losses(truth: np.ndarray, point: np.ndarray, history: np.ndarray, how: tuple[np.ndarray, int]) -> dict[str, Any]:
    """Each window's losses (N,) of a point forecast, which is its own distribution."""
    scale, season = how
    error = (truth - point) / scale
    absolute = _mean(np.abs(error))
    return {"MSE": _mean(error**2), "MAE": absolute, "CRPS": absolute, "MASE": mase(truth, point, history, season)}


def _beside(found: Forecasts, naive: dict[str, np.ndarray], scale: np.ndarray, season: int) -> Table:
    rows = []
    for name, point in {"this model": found.at(0.5), **naive}.items():
        loss = _losses(found.truth, point, found.history, (scale, season))
        if name == "this model":
            loss["CRPS"] = _mean(crps_quantiles(found.truth, found.quantiles, found.levels) / scale)
        rows.append((name, *(f"{np.nanmean(loss[k]):.4f}" for k in ("MSE", "MAE", "MASE", "CRPS"))))
    return Table("Beside naive forecasts", ("forecast", "MSE", "MAE", "MASE", "CRPS"), rows)


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean of what is known in each window, (N,); NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum((1, 2))
    return np.where(count, np.where(known, values, 0).sum((1, 2)) / np.maximum(1, count), np.nan)


def _interval(values: np.ndarray, blocks: int) -> Interval:
    """The mean of windows in order of time, its interval from means of stretches."""
    values = values[np.isfinite(values)]
    parts = np.array([part.mean() for part in np.array_split(values, min(blocks, len(values))) if len(part)])
    spread = mean_interval(parts)
    half = (spread.high - spread.low) / 2
    return Interval(float(values.mean()), float(values.mean()) - half, float(values.mean()) + half)


def _rows(judged: Judged) -> int:
    return sum(len(one) - one.begin for one in judged.held_out)
