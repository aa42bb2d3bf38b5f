"""How fast each pair of numbers turns under three stretchings, and where llama.cpp keeps the rows of a query head."""

from __future__ import annotations

import torch
from matplotlib import pyplot as plt

from conjure.nets.language import Anatomy, rates
from conjure.pretrained.gguf import halves

SIZES = {"layers": 1, "width": 128, "heads": 1, "groups": 1, "channels": 128, "hidden": 1, "base": 500_000.0}
STRETCHES = {
    "as learnt": (None, "#a0aec0"),
    "linear, factor 8": ((8.0, 1.0, 2.0, 0.0), "#c05621"),
    "Llama 3, factor 8": ((8.0, 1.0, 4.0, 8192.0), "#2b6cb0"),
}


def draw() -> plt.Figure:
    """Wavelengths of a head of 128 numbers; the rows of one of 16, by the pair they belong to."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.4), width_ratios=(3, 2))
    for name, (stretch, colour) in STRETCHES.items():
        waves = 2 * torch.pi / rates(Anatomy(**SIZES, stretch=stretch))
        left.plot(waves, label=name, color=colour, linestyle="--" if stretch is None else "-")
    left.axhline(8192, color="black", linewidth=0.5)
    left.set(yscale="log", xlabel="pair", ylabel="tokens to a full turn")
    left.legend(frameon=False)
    filed = torch.arange(16).div(2, rounding_mode="floor")  # neighbours are a pair
    ours = halves(filed.float()[:, None], 1)[:, 0]
    right.imshow(torch.stack([filed.float(), ours]), cmap="tab10", vmin=0, vmax=9, aspect="auto")
    for row, pairs in enumerate((filed, ours)):
        for at, pair in enumerate(pairs.int().tolist()):
            right.text(at, row, str(pair), ha="center", va="center", color="white", fontsize=9)
    right.set_yticks([0, 1], ["in a GGUF", "here"])
    right.set(xlabel="row of the head", title="which pair a row belongs to")
    figure.tight_layout()
    return figure
