"""Codes of digits, what two priors take for such codes, and the digits that each of them makes."""

from __future__ import annotations

import tempfile

import numpy as np
import torch
from matplotlib import pyplot as plt

import conjure
from conjure.domains.image import corpus
from conjure.domains.image.pictures import Images

BLUE, RED, GREY = "#2b6cb0", "#c05621", "#a0aec0"
QUICK = ["training.threads=1", "codec.labels=false"]


def draw() -> plt.Figure:
    with tempfile.TemporaryDirectory() as folder:
        coded = [*QUICK, "training.steps=800", "model.latent=2"]
        first = conjure.fit("images", "digits", f"{folder}/codes", model="vae", settings=coded)
        drawn = [*QUICK, "training.steps=1000"]
        second = conjure.fit("images", "digits", model="flow", settings=drawn, through=f"{folder}/codes")
    codec, rng = second.artifact.codec, torch.Generator().manual_seed(0)
    real = codec.encode(corpus.read("digits")[0]).x
    with torch.no_grad():
        made = second.artifact.model.sample(len(real), rng=rng)
    normal = torch.randn(real.shape, generator=rng)
    figure, axes = plt.subplots(1, 5, figsize=(14, 2.9))
    sets = (("codes of digits", real, GREY), ("N(0, 1)", normal, RED), ("flow through the codes", made, BLUE))
    for axis, (title, z, colour) in zip(axes, sets):
        axis.scatter(z[:, 0], z[:, 1], s=2, color=colour)
        axis.set(title=title, xlim=(-3.5, 3.5), ylim=(-3.5, 3.5), xticks=[], yticks=[])
    for axis, model, title in zip(axes[3:], (first, second), ("digits by N(0, 1)", "digits by the flow")):
        axis.imshow(sheet(model.sample(36, seed=1)), cmap="gray_r")
        axis.set(title=title, xticks=[], yticks=[])
    return figure


def sheet(found: Images, across: int = 6) -> np.ndarray:
    """Pictures side by side, (6 H, 6 W)."""
    array = np.pad(found.array()[..., 0], ((0, 0), (1, 1), (1, 1)))
    return np.block([[array[row * across + k] for k in range(across)] for row in range(len(array) // across)])
