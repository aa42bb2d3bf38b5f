"""What the feedback benchmarks measured: reward against distance beside TRL, sentiment by four methods, rounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
WINDOW = 3


def draw() -> plt.Figure:
    """A panel for each of the results that is there."""
    drawn = (("ppo_throughput", _curves), ("sentiment", _sentiment), ("human_loop", _rounds))
    panels = [(RESULTS / f"{name}.json", panel) for name, panel in drawn]
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


def _sentiment(axis: plt.Axes, found: dict[str, Any]) -> None:
    """Share positive by the reward (whole) and by the judge (dotted) over distance."""
    colours = {"ppo": "#c05621", "grpo": "#2b6cb0", "dpo": "#2f855a", "best of n": "#718096"}
    curves = {name: [(p["kl"], p["positive"], p["judged"]) for p in curve] for name, curve in found["curves"].items()}
    points = {
        name: (m["kl"]["value"], m["positive"]["value"], m["judged"]["value"]) for name, m in found["methods"].items()
    }
    before = points.pop("before")
    curves["dpo"] = [points["dpo"]]
    curves["best of n"] = [point for name, point in points.items() if name.startswith("best")]
    for name, curve in curves.items():
        kl, positive, judged = zip(before, *curve)
        label = name if " " in name else name.upper()
        axis.plot(kl, positive, color=colours[name], label=label, marker=".")
        axis.plot(kl, judged, color=colours[name], linestyle=":")
    axis.set(xlabel="nats a sentence from the writer", ylabel="share positive (dotted: judge)")
    axis.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, fontsize=8, columnspacing=1)


def _rounds(axis: plt.Axes, found: dict[str, Any]) -> None:
    gold = [lap["mean"] for lap in found["gold"]]
    axis.bar(range(1, len(gold) + 1), gold, color="#c05621", width=0.6)
    axis.set(xlabel="round", ylabel="true reward gained", xticks=range(1, len(gold) + 1))
