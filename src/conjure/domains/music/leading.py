"""Faults of voice leading, counted on pieces: parallel fifths and octaves, crossings, leaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from conjure.domains.music.piece import LENGTH, PITCH, START, Piece, bar_lines
from conjure.domains.music.separation import separate

KINDS = {0: "parallel octaves", 7: "parallel fifths"}
STILL = -25.0  # the reward of a piece in which no two parts move at once: as if every fourth move were a fault
LEAP = 12  # semitones: wider than an octave


@dataclass(frozen=True)
class Fault:
    """What, where (tick), and between which parts."""

    kind: str
    tick: int
    parts: tuple[int, ...]


def sounding(one: Piece) -> tuple[np.ndarray, np.ndarray]:
    """(ticks at which any note begins, (n,); pitches each part sounds there, (n, V), -1 for silence)."""
    ticks = np.unique(one.notes[:, START])
    found = np.full((len(ticks), len(one.parts)), -1)
    for part in range(len(one.parts)):
        notes = one.voice(part)
        if not len(notes):
            continue
        at = np.searchsorted(notes[:, START], ticks, side="right") - 1
        sounds = (at >= 0) & (ticks < (notes[:, START] + notes[:, LENGTH])[at])
        found[sounds, part] = notes[at[sounds], PITCH]
    return ticks, found


def parallels(one: Piece) -> list[Fault]:
    """Two parts that move the same way from a fifth to a fifth, or from an octave (unison) to an octave.

    Intervals are taken modulo the octave, at every tick where a note begins (Huron 2001, section on parallels).
    """
    ticks, pitches = sounding(one)
    before, now = pitches[:-1], pitches[1:]
    found = []
    for a in range(pitches.shape[1]):
        for b in range(a + 1, pitches.shape[1]):
            there = (before[:, [a, b]] >= 0).all(1) & (now[:, [a, b]] >= 0).all(1)
            moves = np.sign(now - before)
            together = (moves[:, a] == moves[:, b]) & (moves[:, a] != 0)
            first, second = (before[:, a] - before[:, b]) % 12, (now[:, a] - now[:, b]) % 12
            for at in np.flatnonzero(there & together & (first == second) & np.isin(first, list(KINDS))):
                found.append(Fault(KINDS[int(first[at])], int(ticks[at + 1]), (a, b)))
    return sorted(found, key=lambda f: f.tick)


def crossings(one: Piece) -> list[Fault]:
    """A part above the one before it in the score."""
    ticks, pitches = sounding(one)
    found = []
    for v in range(1, pitches.shape[1]):
        high, low = pitches[:, v - 1], pitches[:, v]
        found += [Fault("crossing", int(ticks[t]), (v - 1, v)) for t in np.flatnonzero((high >= 0) & (low > high))]
    return sorted(found, key=lambda f: f.tick)


def leaps(one: Piece) -> list[Fault]:
    """A melodic step wider than an octave."""
    found = []
    for part in range(len(one.parts)):
        notes = one.voice(part)
        wide = np.flatnonzero(np.abs(np.diff(notes[:, PITCH])) > LEAP)
        found += [Fault("leap", int(notes[t + 1, START]), (part,)) for t in wide]
    return found


def faults(one: Piece) -> list[Fault]:
    """All of them."""
    return [*parallels(one), *crossings(one), *leaps(one)]


def bar_of(one: Piece, ticks: np.ndarray) -> np.ndarray:
    """The number of the bar that each tick is in, counted from 1; an upbeat is bar 0."""
    starts = np.array([start for start, _ in bar_lines(one, max(one.end, int(ticks.max(initial=0)) + 1))])
    return np.searchsorted(starts, ticks, side="right") - int(starts[0] < 0)


def rate(one: Piece) -> float:
    """Parallel fifths and octaves per 100 chords (moments at which any note begins)."""
    return 100 * len(parallels(one)) / max(1, len(np.unique(one.notes[:, START])))


def joint(one: Piece) -> int:
    """How often two parts that both sound move at once."""
    _, pitches = sounding(one)
    before, now = pitches[:-1], pitches[1:]
    moving = ((before >= 0) & (now >= 0) & (before != now)).sum(1)
    return int((moving * (moving - 1) // 2).sum())


def reward(asked: list[Any], pieces: list[Piece]) -> list[float]:
    """A rule to improve a composer by (`conjure music align`): minus parallels per 100 joint moves of two parts.

    0 at best. Counted per chord, standing still would be the best voice leading; so it gets STILL, and silence too.
    Where a part sounds several notes at once, as events of one instrument do, its voices are found first.
    """
    led = [one if all(part.drums for part in one.parts) or not len(one.notes) else separate(one) for one in pieces]
    return [-100.0 * len(parallels(one)) / pairs if (pairs := joint(one)) else STILL for one in led]


def place(one: Piece, tick: int) -> str:
    """A tick in a reader's words: bar and beat, counted from 1; an upbeat is bar 0."""
    lines = bar_lines(one, max(one.end, tick + 1))
    number = int(bar_of(one, np.array([tick]))[0])
    start = lines[number - int(lines[0][0] >= 0)][0]
    value = next(m[2] for m in reversed(one.meters) if m[0] <= tick)
    return f"bar {number}, beat {(tick - start) * value / 96 + 1:g}"
