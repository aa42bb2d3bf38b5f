"""What the feedback benchmarks measured: reward against distance beside TRL, and true reward by rounds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
WINDOW = 5


def draw() -> plt.Figure:
    """Left curves of `ppo_throughput.json`, smoothed over five updates; right the rounds of `human_loop.json`."""
    speed, loop = (json.loads((RESULTS / f"{name}.json").read_text()) for name in ("ppo_throughput", "human_loop"))
    figure, axes = plt.subplots(1, 2, figsize=(9, 3))
    kernel = np.ones(WINDOW) / WINDOW
    for (name, runs), colour in zip(speed["curves"].items(), ("#c05621", "#2b6cb0")):
        for number, curve in enumerate(runs):
            kl, reward = (np.convolve([p[k] for p in curve], kernel, "valid") for k in (0, 1))
            axes[0].plot(kl, reward, color=colour, label=None if number else name)
    axes[0].set(xlabel="nats an episode from the reference", ylabel="share of the rewarded token")
    axes[0].legend(frameon=False)
    gold = [lap["mean"] for lap in loop["gold"]]
    axes[1].bar(range(1, len(gold) + 1), gold, color="#c05621", width=0.6)
    axes[1].set(xlabel="round", ylabel="true reward gained", xticks=range(1, len(gold) + 1))
    return figure
