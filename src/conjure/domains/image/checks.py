"""Whether a picture is one, and whether two are the same."""

from __future__ import annotations

import numpy as np


def valid(picture: np.ndarray) -> bool:
    """Whether it is bytes (H, W, 1 or 3) with something to see: not all pixels alike."""
    shaped = isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3
    return bool(shaped and picture.shape[2] in (1, 3) and picture.size and picture.min() < picture.max())


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two pictures agree pixel by pixel."""
    return one.shape == other.shape and bool((one == other).all())
