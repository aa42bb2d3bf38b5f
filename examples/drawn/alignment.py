"""Reward and distance of a small LSTM that is rewarded for each letter e, at three prices of a nat."""

from __future__ import annotations

from matplotlib import pyplot as plt

import conjure
from conjure.aligning import How, align

PRICES = {0.0: "#c05621", 0.02: "#2b6cb0", 0.1: "#a0aec0"}
STEPS = 24


def draw() -> plt.Figure:
    """Left reward, right nats an episode from the writer as it was, both of episodes since the last validation."""
    small = ["model.width=96", "training.steps=500", "training.threads=1", "codec.context=64", "held_out=0.1"]
    writer = conjure.fit("text", "python-docs", model="recurrent", settings=small).artifact
    prompts = [
        f"The {word} " for word in ("value", "name", "class", "function", "object", "list", "string", "module")
    ] * 16
    figure, axes = plt.subplots(1, 2, figsize=(9, 3))
    for price, colour in PRICES.items():
        seen: dict[int, tuple[float, float]] = {}
        settings = [f"objective.kl={price}", f"training.steps={STEPS}", "training.rate=0.002", "training.threads=1"]
        settings += ["objective.tokens=24", "training.validate_every=4"]
        how = How(settings, watch=lambda p, seen=seen: seen.update(_values(p)))
        align(writer, prompts, _letters, how=how)
        for axis, k in zip(axes, (0, 1)):
            axis.plot(list(seen), [v[k] for v in seen.values()], color=colour, label=f"{price:g} a nat")
    axes[0].set(xlabel="step", ylabel="share of e")
    axes[1].set(xlabel="step", ylabel="nats an episode from the reference")
    axes[0].legend(frameon=False)
    return figure


def _letters(prompts: list[str], completions: list[str]) -> list[float]:
    return [text.count("e") / max(1, len(text)) for text in completions]


def _values(progress: object) -> dict[int, tuple[float, float]]:
    metrics = progress.metrics  # type: ignore[attr-defined]
    found = [metrics.get(f"model_{k}", metrics.get(k)) for k in ("reward", "kl")]
    return {} if None in found else {progress.step: tuple(found)}  # type: ignore[attr-defined]
