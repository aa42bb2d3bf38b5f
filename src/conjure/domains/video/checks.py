"""Whether a clip is one, and whether two are the same."""

from __future__ import annotations

import numpy as np


def valid(clip: np.ndarray) -> bool:
    """Whether it is bytes (T, H, W, 1 or 3) of two frames or more in which something can be seen to change."""
    shaped = isinstance(clip, np.ndarray) and clip.dtype == np.uint8 and clip.ndim == 4 and len(clip) > 1
    return bool(shaped and clip.shape[3] in (1, 3) and clip.size and (clip[1:] != clip[:-1]).any())


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two clips agree pixel by pixel."""
    return one.shape == other.shape and bool((one == other).all())
