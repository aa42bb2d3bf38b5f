"""Spectrograms: held-out drum sounds, what a codec makes of them, and mu-law with as many bits."""

from __future__ import annotations

import math

import numpy as np
import torch
from matplotlib import pyplot as plt

import conjure
from conjure.domains.audio import corpus
from conjure.domains.audio.drums import KINDS
from conjure.metrics import waves

SETTINGS = ["training.steps=400", "training.minutes=60", "training.threads=1"]


def draw() -> plt.Figure:
    """A column a kind of drum; time to the right, pitch upwards."""
    made = conjure.fit("audio", "drums", recipe="codec", settings=SETTINGS).artifact
    held = corpus.split(corpus.read("drums")[0], made.recipe.held_out, made.recipe.seed)[1]
    rows = [next(k for k, one in enumerate(held) if one.label == kind) for kind in KINDS]
    x = made.codec.encode(held.take(rows)).x
    with torch.no_grad():
        again = made.model.decode(made.model.encode(x)).numpy()
    rate = made.codec.config.rate
    bits = math.prod(made.model.latent_shape) * math.log2(made.model.vocab) / made.codec.seconds
    sides = {"held out": x.numpy(), "codec": again, "mu-law": waves.mu_law(x.numpy(), rate, bits)}
    figure, axes = plt.subplots(3, len(KINDS), figsize=(11, 5), layout="constrained")
    for down, (name, wave) in enumerate(sides.items()):
        levels = 10 * np.log10(waves.spectrum(wave) + waves.QUIET)
        for across, kind in enumerate(KINDS):
            axis = axes[down, across]
            axis.imshow(levels[across].T, origin="lower", aspect="auto", cmap="magma", vmin=-70, vmax=-10)
            axis.set_xticks([])
            axis.set_yticks([])
            if not down:
                axis.set_title(kind)
            if not across:
                axis.set_ylabel(name)
    return figure
