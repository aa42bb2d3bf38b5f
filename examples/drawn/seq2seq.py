"""Where a decoder looks in the source while it writes each word: cross-attention on the embedded phrases."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt

import conjure
from conjure.nets.attention import Attention
from conjure.nets.cross import CrossAttention

SOURCES = (
    "Gestern hat der alte Mann den roten Ball hinter dem Haus gefunden.",
    "Die junge Lehrerin hat nie die schwere Tür auf der Straße gezeichnet.",
)


def draw() -> plt.Figure:
    """One map a sentence: a row for each written token, the weights of its source's tokens along it."""
    settings = ["training.threads=1", "training.epochs=6", "codec.vocab=600"]
    made = conjure.fit("translation", "phrases", recipe="small", settings=settings).artifact
    figure, axes = plt.subplots(1, 2, figsize=(12, 4.6))
    for axis, source in zip(axes, SOURCES):
        given = made.codec.condition({"source": source}, 1)
        weights, written = _looks(made.model, given)
        names = [[made.codec.units.join([t]).strip() or "·" for t in row if t != made.codec.end] + ["end"]
                 for row in (given[0].tolist(), written[0].tolist())]  # fmt: skip
        axis.imshow(weights[: len(names[1]), : len(names[0])], cmap="Blues", vmin=0)
        axis.set_xticks(range(len(names[0])), names[0], rotation=60, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(names[1])), names[1])
    return figure


@torch.no_grad()
def _looks(model: Any, given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-attention of the first block, the mean of its heads (T, S), while the likeliest target is read."""
    written, seen = model.best(given), []

    def note(cross: CrossAttention, inputs: tuple[Any, ...]) -> None:
        x, keys, _, unseen = inputs
        q = F.layer_norm(cross.query(x).unflatten(-1, (cross.heads, cross.channels)), (cross.channels,)).transpose(1, 2)
        odds = q @ keys.mT * Attention.SHARPNESS / cross.channels**0.5
        seen.append((odds if unseen is None else odds + unseen).softmax(-1)[0].mean(0))

    hook = model.decoder.blocks[0].cross.register_forward_pre_hook(note)
    model.log_prob(written, given)
    hook.remove()
    return seen[0], written
