"""Made clips whose law of motion is known: digits that cross a small field and bounce off its walls."""

from __future__ import annotations

import numpy as np

from conjure.core.rng import derive

FRAMES, SIDE = 8, 16
SPEEDS = (-2, -1, 1, 2)  # pixels a frame, along each axis by itself


def bouncing_digits() -> tuple[np.ndarray, np.ndarray]:
    """Every digit of scikit-learn's set once, in a clip of its own; frames uint8 (N, T, H, W) and labels (N,).

    Where it starts and how fast it goes is drawn from a fixed seed.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    pictures = (digits.images * (255 / 16)).round().astype(np.uint8)
    room = SIDE - pictures.shape[1]
    rng = np.random.default_rng(derive(0, "bouncing"))
    starts = rng.integers(0, room + 1, (len(pictures), 2))
    speeds = rng.choice(SPEEDS, (len(pictures), 2))
    clips = np.zeros((len(pictures), FRAMES, SIDE, SIDE), np.uint8)
    for t in range(FRAMES):
        places = _folded(starts + t * speeds, room)
        for clip, picture, (top, left) in zip(clips, pictures, places):
            clip[t, top : top + len(picture), left : left + len(picture)] = picture
    return clips, digits.target


def _folded(at: np.ndarray, room: int) -> np.ndarray:
    """Places on a line without end, thrown back and forth into 0 .. room."""
    return room - np.abs(at % (2 * room) - room)
