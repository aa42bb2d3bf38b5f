"""Forecasts of the embedded hourly series: what was known, what came, the median, its interval, and drawn futures."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot as plt

import conjure
from conjure.domains.series import corpus

BEFORE, AHEAD, PATHS, LEVELS = 96, 48, 20, (0.1, 0.5, 0.9)


def draw() -> plt.Figure:
    """The last two days are kept from the model; one column a channel."""
    whole, _ = corpus.read("hourly")
    columns, values = whole.columns, whole.series[0].values
    frame = corpus.to_frame(whole).iloc[: len(values) - AHEAD]
    made = conjure.fit("forecasting", frame, settings=[f"codec.horizon={AHEAD}", "training.threads=1"])
    completed = made.complete(frame)
    forecast = completed.series[0].forecast[[completed.levels.index(q) for q in LEVELS]]  # (levels, T, C)
    paths = [s.values for s in made.sample(PATHS, given={"history": frame}).series]
    figure, axes = plt.subplots(1, len(columns), figsize=(12, 3))
    past, future = np.arange(-BEFORE, 0), np.arange(AHEAD)
    for k, (axis, name) in enumerate(zip(axes, columns)):
        axis.plot(past, values[-AHEAD - BEFORE : -AHEAD, k], color="#a0aec0")
        axis.plot(np.array([p[:, k] for p in paths]).T, color="#2b6cb0", alpha=0.15, linewidth=0.7)
        axis.fill_between(future, forecast[0, :, k], forecast[-1, :, k], color="#2b6cb0", alpha=0.25, linewidth=0)
        axis.plot(future, forecast[1, :, k], color="#2b6cb0")
        axis.plot(future, values[-AHEAD:, k], color="#c05621", linewidth=0.9)
        axis.set(title=name, xlabel="hours")
    return figure
