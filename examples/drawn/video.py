"""Film strips: digits that bounce off walls, real ones and those of a flow over space and time."""

from __future__ import annotations

import tempfile

import numpy as np
from matplotlib import pyplot as plt

import conjure
from conjure.domains.video import corpus
from conjure.domains.video.view import strip
from conjure.verbs import Generative

LABELS = [str(k) for k in (0, 1, 3, 6, 7)]
ONE = "training.threads=1"


def draw() -> plt.Figure:
    """Clips to learn from; those of a flow over whole clips; those of a flow through an autoencoder of frames."""
    whole = conjure.fit("video", "bouncing", settings=["training.steps=700", ONE])
    with tempfile.TemporaryDirectory() as folder:
        conjure.fit("video", "bouncing", folder, recipe="frames", settings=["training.steps=600", ONE])
        settings = ["training.steps=1200", ONE]
        composed = conjure.fit("video", "bouncing", recipe="latent", through=folder, settings=settings)
    return film({"flow of whole clips": whole, "flow of frames' codes": composed})


def film(models: dict[str, Generative]) -> plt.Figure:
    """Real clips on the left, made ones of the same classes beside them, a row a clip."""
    real, _ = corpus.read("bouncing")
    rows = np.array([np.flatnonzero(real.labels == label)[4] for label in LABELS])
    sides = {"real": real.take(rows)}
    sides |= {name: m.sample(len(LABELS), given={"label": LABELS}, seed=3) for name, m in models.items()}
    figure, axes = plt.subplots(
        len(LABELS), len(sides), figsize=(15, 3.8), gridspec_kw={"wspace": 0.03, "hspace": 0.08}
    )
    for across, (title, clips) in enumerate(sides.items()):
        axes[0, across].set_title(title)
        for down, clip in enumerate(clips):
            axes[down, across].imshow(strip(clip).squeeze(2), cmap="gray", vmin=0, vmax=255)
            axes[down, across].axis("off")
    return figure
