"""One picture and its simulated presentation attacks, each species under two draws of its parameters."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_sample_images

from conjure.domains.image.attacks.species import SPECIES, simulate

SIDE = 88


def draw() -> plt.Figure:
    """A flower (scikit-learn's sample, CC BY) as it is, printed, replayed, worn as a mask, cut out."""
    flower = load_sample_images().images[1][70 : 70 + 2 * SIDE, 190 : 190 + 2 * SIDE]
    picture = flower.reshape(SIDE, 2, SIDE, 2, 3).mean((1, 3)).astype(np.uint8)
    figure, axes = plt.subplots(2, 5, figsize=(8.4, 3.6))
    for row, seed in enumerate((1, 5)):
        for axis, name in zip(axes[row], ("bona fide", *SPECIES)):
            axis.imshow(picture if name == "bona fide" else simulate(picture, name, seed).picture)
            axis.set(xticks=[], yticks=[])
            if not row:
                axis.set_title(name)
    return figure
