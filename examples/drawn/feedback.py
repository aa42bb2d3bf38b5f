"""What the feedback benchmarks measured: reward against distance beside TRL; true reward by rounds, once measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
WINDOW = 5


def draw() -> plt.Figure:
    """A panel for each of `ppo_throughput.json` and `human_loop.json` that is there."""
    panels = [
        (RESULTS / f"{name}.json", panel) for name, panel in (("ppo_throughput", _curves), ("human_loop", _rounds))
    ]
    there = [(json.loads(path.read_text()), panel) for path, panel in panels if path.exists()]
    figure, axes = plt.subplots(1, len(there), figsize=(4.5 * len(there), 3), squeeze=False)
    for axis, (found, panel) in zip(axes[0], there):
        panel(axis, found)
    return figure


def _curves(axis: plt.Axes, found: dict[str, Any]) -> None:
    """Reward over distance, both smoothed over five updates."""
    kernel = np.ones(WINDOW) / WINDOW
    for (name, runs), colour in zip(found["curves"].items(), ("#c05621", "#2b6cb0")):
        for number, curve in enumerate(runs):
            kl, reward = (np.convolve([p[k] for p in curve], kernel, "valid") for k in (0, 1))
            axis.plot(kl, reward, color=colour, label=None if number else name)
    axis.set(xlabel="nats an episode from the reference", ylabel="share of the rewarded token")
    axis.legend(frameon=False)


def _rounds(axis: plt.Axes, found: dict[str, Any]) -> None:
    gold = [lap["mean"] for lap in found["gold"]]
    axis.bar(range(1, len(gold) + 1), gold, color="#c05621", width=0.6)
    axis.set(xlabel="round", ylabel="true reward gained", xticks=range(1, len(gold) + 1))
