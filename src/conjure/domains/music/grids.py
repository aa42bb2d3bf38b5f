"""A piece as a grid of voices and back: frames of equal length by voices, a token a cell."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from conjure.domains.music.piece import LENGTH, LOUD, PITCH, START, TICKS, Part, Piece, bar_lines, piece

SILENT, HOLD, LOWEST = 0, 1, 2  # tokens; from LOWEST on, pitches
VOICES = ("Soprano", "Alto", "Tenor", "Bass")


def from_grid(pitches: np.ndarray, step: int = 4, **facts: Any) -> Piece:
    """A piece from pitches (T, V), -1 for silence, `step` frames to a quarter note; equal neighbours are one note."""
    tokens = np.where(pitches < 0, SILENT, pitches + LOWEST)
    held = (pitches[1:] == pitches[:-1]) & (pitches[1:] >= 0)
    tokens[1:][held] = HOLD
    return from_tokens(tokens, 0, step, **facts)


def voiced(frames: list[list[int]]) -> np.ndarray:
    """Pitches (T, V), -1 for silence, of frames that list a pitch a voice, or only what sounds.

    Where fewer pitches than voices sound, neighbouring voices share one, those that then move least.
    """
    voices = max(map(len, frames), default=0)
    found = np.full((len(frames), voices), -1)
    before = np.full(voices, -1)
    for t, frame in enumerate(frames):
        if len(frame) == voices:
            found[t] = before = np.array(frame)
            continue
        pitches = np.array(sorted({p for p in frame if p >= 0}, reverse=True))
        if len(pitches):
            ways = [np.repeat(pitches, parts) for parts in _compositions(voices, len(pitches))]
            found[t] = before = min(ways, key=lambda way: np.abs(way - before)[before >= 0].sum())
    return found


def _compositions(total: int, parts: int) -> list[tuple[int, ...]]:
    """All ways to write a number as an ordered sum of so many positive ones."""
    cuts = itertools.combinations(range(1, total), parts - 1)
    return [tuple(b - a for a, b in itertools.pairwise((0, *cut, total))) for cut in cuts]


def from_tokens(tokens: np.ndarray, low: int, step: int, names: tuple[str, ...] = (), **facts: Any) -> Piece:
    """A piece from tokens (T, V): SILENT, HOLD, or a pitch above `low`."""
    voices, width = tokens.shape[1], TICKS // step
    rows: list[tuple[int, ...]] = []
    for v in range(voices):
        column = tokens[:, v]
        onsets = np.flatnonzero(column >= LOWEST)
        stops = np.flatnonzero(column != HOLD)
        ends = np.append(stops, len(column))[np.searchsorted(stops, onsets, side="right")]
        for start, end in zip(onsets.tolist(), ends.tolist()):
            rows.append((start * width, (end - start) * width, int(column[start]) - LOWEST + low, LOUD, v))
    titles = names or (VOICES if voices == len(VOICES) else tuple(f"Voice {v + 1}" for v in range(voices)))
    return piece(rows, tuple(Part(name) for name in titles[:voices]), **facts)


def to_tokens(one: Piece, low: int, step: int, frames: int | None = None) -> np.ndarray:
    """Tokens (T, V) of a piece whose parts each sound one note at a time; a later note ends the one before.

    Starts and ends fall on the nearest frame, and every note keeps at least one.
    """
    width = TICKS // step
    count = -(-one.end // width) if frames is None else frames
    tokens = np.zeros((count, len(one.parts)), np.int64)
    for start, length, pitch, _, part in one.notes.tolist():
        first = (start + width // 2) // width
        last = max(first + 1, (start + length + width // 2) // width)
        if first >= count:
            continue
        tokens[first, part] = pitch - low + LOWEST
        tokens[first + 1 : last, part] = HOLD
        if last < count and tokens[last, part] == HOLD:  # what went on from an earlier, longer note
            tail = np.flatnonzero(tokens[last:, part] != HOLD)
            tokens[last : last + (tail[0] if len(tail) else count - last), part] = SILENT
    return tokens


def part_of(tokens: np.ndarray, start: int, stop: int) -> np.ndarray:
    """A copy of some frames of tokens (T, V), in which notes that began before begin anew."""
    part = tokens[start:stop].copy()
    for v in np.flatnonzero(part[0] == HOLD) if len(part) else ():
        before = np.flatnonzero(tokens[:start, v] != HOLD)
        part[0, v] = tokens[before[-1], v] if len(before) else SILENT
    return part


def phases(one: Piece, step: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """For each frame its place in the bar, from 0, and how many bars are left, from 1 in the last; each (T,)."""
    width = TICKS // step
    lines = bar_lines(one, frames * width)
    starts = np.array([tick for tick, _ in lines])
    at = np.arange(frames) * width
    bar = np.searchsorted(starts, at, side="right") - 1
    return (at - starts[bar]) // width, bar.max(initial=0) - bar + 1


def overlaps(notes: np.ndarray, slack: int = TICKS // 8) -> bool:
    """Whether notes of one part (n, 5) sound at once, for more than a player's slur."""
    ends = notes[:, START] + notes[:, LENGTH]
    over = ends[:-1] - notes[1:, START]
    same = (notes[1:, START] == notes[:-1, START]) & (notes[1:, PITCH] != notes[:-1, PITCH])
    return bool(((over > slack).mean() > 0.02 if len(over) else False) or same.any())
