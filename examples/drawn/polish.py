"""A composer that PPO polishes by a rule: reward over distance, with a price and remembered scores, and without."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib import pyplot as plt

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
WAYS = {"polished": ("a price, scores remembered", "#2b6cb0"), "polished at no price": ("neither", "#c05621")}


def draw() -> plt.Figure:
    """What `benchmarks/music_polish.py` measured: on the left while learning, on the right afterwards."""
    found = json.loads((RESULTS / "music_polish.json").read_text("utf-8"))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
    for name, (label, colour) in WAYS.items():
        kl, reward = zip(*found[name]["curve"])
        left.plot(kl, reward, color=colour, label=label)
    left.set(xlabel="nats a phrase from the composer as it was", ylabel="reward", title="while learning")
    left.legend(frameon=False)
    rows = [("before", found["composer"], "#718096")]
    rows += [(label, found[name], colour) for name, (label, colour) in WAYS.items()]
    for label, one, colour in rows:
        faults, nats = one["faults"], one["nats a quarter note"]
        spread = [[faults["mean"] - faults["low"]], [faults["high"] - faults["mean"]]]
        right.errorbar([nats], [faults["mean"]], yerr=spread, fmt="o", color=colour)
        right.annotate(label, (nats, faults["mean"]), xytext=(6, 4), textcoords="offset points", color=colour)
    right.axhline(found["faults of chorales"]["train"]["mean"], color="#a0aec0", linestyle=":")
    right.set(xlabel="test nats a quarter note", ylabel="parallels per 100 chords", title="afterwards; dotted: Bach")
    right.margins(x=0.25)
    return figure
