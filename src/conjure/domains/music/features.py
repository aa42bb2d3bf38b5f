"""Numbers about one piece, under MusPy's names and definitions (Dong et al. 2020), drums left out."""

from __future__ import annotations

import math

import numpy as np

from conjure.domains.music.piece import LENGTH, PART, PITCH, START, TICKS, Piece

MAJOR, NATURAL_MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)


def measures(one: Piece) -> dict[str, float]:
    """All of them by name; NaN for what a piece is too short to have."""
    return {
        "pitch_class_entropy": pitch_class_entropy(one),
        "scale_consistency": scale_consistency(one),
        "groove_consistency": groove_consistency(one),
        "polyphony": polyphony(one),
        "empty_beat_rate": empty_beat_rate(one),
    }


def pitch_class_entropy(one: Piece) -> float:
    """-sum p log2 p over the shares of the 12 pitch classes, in bits, at most log2 12."""
    share = _classes(one)
    share = share[share > 0] / max(1, share.sum())
    return float(-(share * np.log2(share)).sum()) if len(share) else math.nan


def scale_consistency(one: Piece) -> float:
    """The largest share of notes that lie in one major or natural minor scale."""
    counts = _classes(one)
    if not counts.sum():
        return math.nan
    scales = [
        np.isin(np.arange(12), [(root + d) % 12 for d in kind]) for root in range(12) for kind in (MAJOR, NATURAL_MINOR)
    ]
    return float(max(counts[scale].sum() for scale in scales) / counts.sum())


def groove_consistency(one: Piece) -> float:
    """1 minus the mean share of ticks at which neighbouring bars differ in having an onset, by the first metre."""
    start, beats, value = one.meters[0]
    size = beats * 4 * TICKS // value
    onsets = np.unique(one.notes[:, START] - start)
    bars = int(onsets.max()) // size + 1 if len(onsets) else 0
    if bars < 2:
        return math.nan
    grid = np.zeros((bars, size), bool)
    grid[onsets // size, onsets % size] = True
    return 1 - float((grid[1:] != grid[:-1]).mean())


def polyphony(one: Piece) -> float:
    """The mean number of pitches that sound, over the ticks at which any does."""
    heard = _heard(one)
    counts = heard.sum(1)
    return float(counts[counts > 0].mean()) if (counts > 0).any() else math.nan


def empty_beat_rate(one: Piece) -> float:
    """The share of quarter notes in which nothing sounds, up to the end of the last note."""
    heard = _heard(one, drums=True).any(1)
    beats = -(-len(heard) // TICKS)
    if not beats:
        return math.nan
    padded = np.pad(heard, (0, beats * TICKS - len(heard))).reshape(beats, TICKS)
    return float((~padded.any(1)).mean())


def _pitched(one: Piece) -> np.ndarray:
    drums = np.array([p.drums for p in one.parts], bool)
    return one.notes[~drums[one.notes[:, PART]]] if len(one.notes) else one.notes


def _classes(one: Piece) -> np.ndarray:
    return np.bincount(_pitched(one)[:, PITCH] % 12, minlength=12)


def _heard(one: Piece, drums: bool = False) -> np.ndarray:
    """Which pitches sound at each tick, bool (ticks, 128)."""
    notes = one.notes if drums else _pitched(one)
    heard = np.zeros((int((notes[:, START] + notes[:, LENGTH]).max(initial=0)), 128), bool)
    for start, length, pitch in notes[:, :3].tolist():
        heard[start : start + length, pitch] = True
    return heard
