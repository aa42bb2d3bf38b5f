"""A part as it is written down: bars of chords and rests of lengths that notes can have, tied over cuts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from conjure.domains.music.piece import LENGTH, PITCH, START, TICKS, Key, Meter, Piece, bar_lines

GRID = TICKS // 8  # ticks that notation is rounded to: a 32nd
TYPES = {  # length in ticks -> name and dots
    96: ("whole", 0), 72: ("half", 1), 48: ("half", 0), 36: ("quarter", 1), 24: ("quarter", 0),
    18: ("eighth", 1), 12: ("eighth", 0), 9: ("16th", 1), 6: ("16th", 0), 3: ("32nd", 0),
}  # fmt: skip
SHARPS = {0: 0, 7: 1, 2: 2, 9: 3, 4: 4, 11: 5, 6: 6, 5: -1, 10: -2, 3: -3, 8: -4, 1: -5}  # of major keys
SPELT = {  # by whether the key has sharps
    True: ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"),
    False: ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"),
}


@dataclass(frozen=True)
class Sounded:
    """One note of a chord. before: it goes on from the chord before; after: into the next."""

    pitch: int
    before: bool
    after: bool


@dataclass(frozen=True)
class Chord:
    """What sounds from a tick on for so many ticks, from the lowest note up; a rest where there is none."""

    tick: int
    size: int
    notes: tuple[Sounded, ...]


@dataclass(frozen=True)
class Bar:
    """A bar with its number as a reader counts it, where it begins and ends, and its metre."""

    number: int
    start: int
    stop: int
    meter: Meter
    chords: tuple[Chord, ...]


def barred(one: Piece, part: int, cuts: Iterable[int] = ()) -> list[Bar]:
    """The bars of a part; `cuts` are ticks at which something else stands, so that a chord begins there."""
    notes = one.voice(part)
    starts = np.maximum(0, np.rint(notes[:, START] / GRID).astype(int) * GRID)
    ends = np.maximum(starts + GRID, np.rint((notes[:, START] + notes[:, LENGTH]) / GRID).astype(int) * GRID)
    lines, found = bar_lines(one), []
    for place, (tick, size) in enumerate(lines):
        meter = max((m for m in one.meters if m[0] <= tick), default=one.meters[0])
        start, stop = max(0, tick), tick + size
        chords = _chords((starts, ends, notes[:, PITCH]), (start, stop), cuts)
        found.append(Bar(place + int(lines[0][0] >= 0), start, stop, meter, chords))
    return found


def sharps(key: Key) -> int:
    """How many sharps the key has, flats counted below zero."""
    return SHARPS[(key[0] + 3 * key[1]) % 12]


def spelt(pitch: int, key: Key) -> tuple[str, int, int]:
    """(letter, semitones it is raised by, octave) of a pitch or pitch class, sharp or flat as in the key."""
    name = SPELT[sharps(key) >= 0][pitch % 12]
    return name[0], {"": 0, "#": 1, "b": -1}[name[1:]], pitch // 12 - 1


def _chords(
    notes: tuple[np.ndarray, np.ndarray, np.ndarray], span: tuple[int, int], cuts: Iterable[int]
) -> tuple[Chord, ...]:
    """What sounds between two ticks: cut wherever any note begins or ends."""
    starts, ends, pitches = notes
    begin, stop = span
    inside = (starts < stop) & (ends > begin)
    edges = {begin, stop, *starts[inside].tolist(), *ends[inside].tolist(), *cuts}
    found = []
    for first, last in itertools.pairwise(sorted(t for t in edges if begin <= t <= stop)):
        at = first
        for size in _sizes(last - first):
            rows = np.flatnonzero(inside & (starts <= at) & (ends > at)).tolist()
            rows.sort(key=lambda row: pitches[row])
            sounded = (Sounded(int(pitches[r]), bool(starts[r] < at), bool(ends[r] > at + size)) for r in rows)
            found.append(Chord(at, size, tuple(sounded)))
            at += size
    return tuple(found)


def _sizes(ticks: int) -> list[int]:
    """A length as lengths that notes can have, the longest first."""
    found = []
    while ticks > 0:
        size = next((s for s in TYPES if s <= ticks), ticks)
        found.append(size)
        ticks -= size
    return found
