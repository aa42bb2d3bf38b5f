"""Drawn identity documents: a head on a patterned ground with lines of text, and a camera's own grain."""

from __future__ import annotations

import numpy as np


def document(seed: int, side: int) -> np.ndarray:
    """A photograph of a drawn document, uint8 (side, side, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    ground, skin, cloth, hair = rng.uniform(
        [[0.55] * 3, [0.5, 0.35, 0.25], [0.1] * 3, [0.05] * 3],
        [[0.95] * 3, [0.95, 0.75, 0.65], [0.7] * 3, [0.5, 0.4, 0.3]],
    )
    waves = 0.06 * np.sin(2 * np.pi * (rng.uniform(5, 12) * x + rng.uniform(-5, 5) * y + 0.5 * np.sin(6 * y)))
    out = ground + waves[..., None]
    middle, height = rng.uniform(0.42, 0.58), rng.uniform(0.38, 0.46)
    far = ((x - middle) / rng.uniform(0.19, 0.26)) ** 2 + ((y - height) / rng.uniform(0.26, 0.33)) ** 2
    body = ((x - middle) / 0.4) ** 2 + ((y - 1.05) / 0.35) ** 2
    light = (1 - 0.35 * (x - middle + 0.3 * (y - height)) / 0.25)[..., None]
    out = np.where((body < 1)[..., None], cloth * light, out)
    out = np.where(((far < 1.25) & (y < height))[..., None], hair * light, out)
    out = np.where((far < 1)[..., None], skin * light * (1 - 0.2 * far[..., None]), out)
    for eye in (-0.08, 0.08):
        out = np.where((((x - middle - eye) / 0.03) ** 2 + ((y - height + 0.03) / 0.016) ** 2 < 1)[..., None], 0.1, out)
    for line in range(3):
        ink = (np.abs(y - 0.86 - 0.045 * line) < 0.012) & (rng.random(side) < 0.6)[None]
        out = np.where(ink[..., None], 0.12, out)
    noise = rng.standard_normal(out.shape) * 0.012
    return (255 * (out + noise).clip(0, 1)).astype(np.uint8)
