"""Small pieces to test with: four voices that walk through chords of a key, drawn by a seed."""

from __future__ import annotations

import numpy as np

from conjure.domains.music.grids import from_grid
from conjure.domains.music.piece import Piece, Pieces

CHORDS = ((0, 4, 7), (5, 9, 0), (7, 11, 2), (9, 0, 4))
RANGES = ((60, 79), (55, 72), (48, 67), (41, 60))


def chorale(seed: int, bars: int = 4, tonic: int = 0) -> Piece:
    """A chord a beat, each voice on the chord's note nearest to its last; it begins and ends on the tonic."""
    rng = np.random.default_rng(seed)
    at = [72, 67, 60, 48]
    frames = []
    for beat in range(4 * bars):
        chord = CHORDS[0] if beat in (0, 4 * bars - 1) else CHORDS[rng.integers(4)]
        classes = [(c + tonic) % 12 for c in chord]
        for v, (low, high) in enumerate(RANGES):
            wanted = [classes[0]] if v == 3 else classes
            notes = [p for p in range(low, high + 1) if p % 12 in wanted]
            at[v] = min(notes, key=lambda p: (abs(p - at[v]), rng.random()))
        frames += [list(at)] * 4
    return from_grid(np.array(frames), name=f"chorale {seed}")


def chorales(count: int, bars: int = 4) -> Pieces:
    """Chorales in the keys of C, D, F and G in turn."""
    return Pieces(tuple(chorale(seed, bars, (0, 2, 5, 7)[seed % 4]) for seed in range(count)))
