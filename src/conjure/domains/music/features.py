"""Numbers about one piece, under MusPy's names and as MusPy 0.5 computes them (Dong et al. 2020).

Drums are left out of what is about pitches.
"""

from __future__ import annotations

import math

import numpy as np

from conjure.domains.music.piece import LENGTH, PART, PITCH, START, TICKS, Piece, bar_lines

MAJOR, NATURAL_MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)


def measures(one: Piece) -> dict[str, float]:
    """All of them by name; NaN for what a piece is too short to have. The last two are no numbers of MusPy's."""
    return {
        "pitch_class_entropy": pitch_class_entropy(one),
        "scale_consistency": scale_consistency(one),
        "groove_consistency": groove_consistency(one),
        "polyphony": polyphony(one),
        "empty_beat_rate": empty_beat_rate(one),
        "bar_repetition": _repetition(bars(one)),
        "rhythm_repetition": _repetition(bars(one, pitches=False)),
    }


def bars(one: Piece, pitches: bool = True) -> list[bytes]:
    """What stands in each bar, in no key: notes by their place, length, part, and height over the bar's lowest.

    Bars without notes are empty; without pitches only the places tell.
    """
    lines = bar_lines(one)
    row = np.searchsorted([start for start, _ in lines], one.notes[:, START], side="right") - 1
    found = []
    for at, (start, _) in enumerate(lines):
        notes = one.notes[row == at]
        moved = notes[:, [START, LENGTH, PITCH, PART]] - [start, 0, int(notes[:, PITCH].min(initial=128)), 0]
        found.append((moved if pitches else np.unique(moved[:, 0])).tobytes())
    return found


def _repetition(found: list[bytes]) -> float:
    """The share of bars with notes that stand earlier in the piece, of all such bars but the first."""
    filled = [bar for bar in found if bar]
    return 1 - (len(set(filled)) - 1) / (len(filled) - 1) if len(filled) > 1 else math.nan


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
    """1 minus the mean share of ticks at which neighbouring bars differ in having an onset, by the first metre.

    Where the last note ends with a bar, the bar after it counts too, as an empty one: so MusPy counts bars.
    """
    start, beats, value = one.meters[0]
    size = beats * 4 * TICKS // value
    bars = (one.end - start) // size + 1
    if bars < 2:
        return math.nan
    onsets = np.unique(one.notes[:, START] - start)
    grid = np.zeros((bars, size), bool)
    grid[onsets // size, onsets % size] = True
    return 1 - float((grid[1:] != grid[:-1]).mean())


def polyphony(one: Piece) -> float:
    """The mean number of pitches that sound, over the ticks at which any does."""
    heard = _heard(one)
    counts = heard.sum(1)
    return float(counts[counts > 0].mean()) if (counts > 0).any() else math.nan


def empty_beat_rate(one: Piece) -> float:
    """The share of quarter notes in which nothing sounds, up to that in which the last note ends.

    A note that ends with a beat counts for the next one too: so MusPy counts.
    """
    if not one.end:
        return math.nan
    beats = one.end // TICKS + 1
    edges = np.zeros(beats + 1, int)
    np.add.at(edges, one.notes[:, START] // TICKS, 1)
    np.add.at(edges, (one.notes[:, START] + one.notes[:, LENGTH]) // TICKS + 1, -1)
    return float((edges.cumsum()[:beats] == 0).mean())


def _pitched(one: Piece) -> np.ndarray:
    drums = np.array([p.drums for p in one.parts], bool)
    return one.notes[~drums[one.notes[:, PART]]] if len(one.notes) else one.notes


def _classes(one: Piece) -> np.ndarray:
    return np.bincount(_pitched(one)[:, PITCH] % 12, minlength=12)


def _heard(one: Piece) -> np.ndarray:
    """Which pitches sound at each tick, bool (ticks, 128)."""
    notes = _pitched(one)
    heard = np.zeros((int((notes[:, START] + notes[:, LENGTH]).max(initial=0)), 128), bool)
    for start, length, pitch in notes[:, :3].tolist():
        heard[start : start + length, pitch] = True
    return heard
