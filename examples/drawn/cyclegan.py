"""White discs and grey rings, two sets without a pair: translations as the game goes on, and the way back."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot as plt

import conjure

SIDE = 16
WORDS = ["training.threads=1", "training.batch=16", "training.rate=3e-3", "training.average=0.95", "model.channels=8"]


def draw() -> plt.Figure:
    """Discs never seen, as rings, and back again, after more and more steps."""
    sets = {"grey rings": _shapes(400, 0, ring=True), "white discs": _shapes(400, 1, ring=False)}
    discs = _shapes(8, 2, ring=False)
    figure, axes = plt.subplots(1, 4, figsize=(12, 2.6))
    for axis, steps in zip(axes, (1, 50, 120, 300)):
        model = conjure.fit("restyle", sets, settings=[*WORDS, f"training.steps={steps}"])
        rings = model.complete(discs, given={"to": "grey rings"})
        back = model.complete(rings, given={"to": "white discs"})
        rows = [discs, rings.array()[..., 0], back.array()[..., 0]]
        axis.imshow(np.vstack([np.hstack(list(row)) for row in rows]), cmap="gray", vmin=0, vmax=255)
        axis.set(title=f"after {steps} steps", xticks=[], yticks=[])
    axes[0].set_yticks([SIDE * (k + 0.5) for k in range(3)], ["given", "translated", "and back"])
    return figure


def _shapes(n: int, seed: int, *, ring: bool) -> np.ndarray:
    """Discs or rings of 3 to 6 pixels' radius on dark, bytes (N, 16, 16)."""
    rng = np.random.default_rng(seed)
    radius, x, y = rng.uniform(3, 5, (n, 1, 1)), *rng.uniform(5, 11, (2, n, 1, 1))
    places = np.arange(SIDE)
    far = np.hypot(places[None, None, :] - x, places[None, :, None] - y)
    cover = np.clip(radius - far + 0.5, 0, 1)
    if ring:
        return (30 + 110 * cover - 110 * np.clip(radius - 2 - far + 0.5, 0, 1)).astype(np.uint8)
    return (30 + 210 * cover).astype(np.uint8)
