"""How a token is drawn from a distribution, and how texts share the model's readings: measured on a random model."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib import pyplot as plt

from conjure.core.space import Tokens
from conjure.generation.request import Request
from conjure.generation.writer import PART, Writer
from conjure.models.decoding import Choice

COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#805ad5")


def draw() -> plt.Figure:
    """What each rule keeps of one distribution; which text read how many tokens at each step of the writer."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 3.6), width_ratios=(5, 6))
    kept(left)
    shared(right)
    figure.tight_layout()
    return figure


def kept(axes: plt.Axes) -> None:
    logits = np.sort(np.random.default_rng(3).normal(size=120) * 1.3).astype(np.float32)[::-1].copy()
    p = np.exp(logits - logits.max())
    axes.bar(range(40), (p / p.sum())[:40], color="#a0aec0")
    rules = {"top_k = 10": Choice(top_k=10), "top_p = 0.8": Choice(top_p=0.8), "min_p = 0.05": Choice(min_p=0.05)}
    for (name, choice), colour in zip(rules.items(), COLOURS):
        count = int((choice._kept(torch.from_numpy(logits)[None])[0] > 0).sum())
        axes.axvline(count - 0.5, color=colour, label=f"{name} keeps {count}")
    axes.set(xlabel="tokens, the likeliest first", ylabel="probability")
    axes.legend(frameon=False)


def shared(axes: plt.Axes) -> None:
    """Three short texts under way; a prompt of ten parts joins them, and is read between their steps."""
    writer, steps = random_writer(), []
    read = writer._slots.read

    def noted(parts: list) -> list:
        steps.append({part.slot: len(part.tokens) for part in parts})
        return read(parts)

    writer._slots.read = noted  # type: ignore[method-assign]
    with writer:
        begun = [writer.stream(Request([n] * (8 + n), limit=20 + 8 * n, seed=n, ends=())) for n in range(3)]
        next(begun[0])
        long = writer.stream(Request([9] * (10 * PART), limit=16, seed=9, ends=()))
        for stream in [*begun, long]:
            list(stream)
    for slot in range(4):
        at = [step for step, sizes in enumerate(steps) if slot in sizes]
        sizes = [4 + 40 * (steps[step][slot] > 1) for step in at]
        axes.scatter(at, [slot] * len(at), sizes, color=COLOURS[slot], marker="s")
    names = ["text 1", "text 2", "text 3", f"prompt of {10 * PART}"]
    axes.set(xlabel="readings of the model (large: part of a prompt)", yticks=range(4), yticklabels=names)


def random_writer() -> Writer:
    from types import SimpleNamespace

    from conjure.models.llm import LLM

    torch.manual_seed(0)
    model = LLM(Tokens(64, (1024,), None, True), None, LLM.Config(layers=1, width=32)).eval()
    units = SimpleNamespace(known="".join(map(chr, range(48, 112))))
    codec = SimpleNamespace(units=units, end=63)
    artifact = SimpleNamespace(model=model, codec=codec, first=None, recipe=SimpleNamespace(model="llm", domain="text"))
    return Writer(artifact, slots=4)  # type: ignore[arg-type]
