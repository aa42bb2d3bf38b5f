"""Film strips: digits that bounce off walls, real ones and those of a flow over space and time."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot as plt

import conjure
from conjure.domains.video import corpus
from conjure.domains.video.view import strip
from conjure.verbs import Generative

STRIPS = 5


def draw() -> plt.Figure:
    """A flow fitted for some minutes, beside the clips it learnt from."""
    return film(conjure.fit("video", "bouncing", settings=["training.steps=700", "training.threads=1"]))


def film(model: Generative) -> plt.Figure:
    """Real clips on the left, made ones of the same classes on the right, a row a clip."""
    real, _ = corpus.read("bouncing")
    labels = [str(k) for k in (0, 1, 3, 6, 7)]
    rows = np.array([np.flatnonzero(real.labels == label)[4] for label in labels])
    sides = {"real": real.take(rows), "made": model.sample(STRIPS, given={"label": labels}, seed=3)}
    figure, axes = plt.subplots(STRIPS, 2, figsize=(12, 4.2), gridspec_kw={"wspace": 0.03, "hspace": 0.08})
    for across, (title, clips) in enumerate(sides.items()):
        axes[0, across].set_title(title)
        for down, clip in enumerate(clips):
            axes[down, across].imshow(strip(clip).squeeze(2), cmap="gray", vmin=0, vmax=255)
            axes[down, across].axis("off")
    return figure
