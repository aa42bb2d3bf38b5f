"""Digits, what is left of them after codes of 2, 8 and 32 numbers, and a walk between two of them."""

import numpy as np
from matplotlib import pyplot as plt

import conjure
from conjure.domains.image import corpus

SHOWN = np.arange(10)


def draw() -> plt.Figure:
    digits, _ = corpus.read("digits")
    real = digits.take(SHOWN)
    rows = [("real", real)]
    for latent in (2, 8, 32):
        settings = [f"model.latent={latent}", "codec.labels=false", "training.steps=600", "training.threads=1"]
        model = conjure.fit("images", "digits", model="autoencoder", settings=settings)
        rows.append((f"{latent} numbers", model.decode(model.encode(real))))
    rows.append(("from the first to the last", model.interpolate(real, (0, 9), len(SHOWN))))
    figure, axes = plt.subplots(len(rows), 1, figsize=(7, 4))
    for axis, (title, pictures) in zip(axes, rows):
        axis.imshow(np.hstack([p[..., 0] for p in pictures]), cmap="gray_r")
        axis.set(xticks=[], yticks=[])
        axis.set_ylabel(title, rotation=0, ha="right", va="center")
    return figure
