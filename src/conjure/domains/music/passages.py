"""The layouts of short passages of one length: melodies as tokens, and piano rolls as pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from conjure.core.errors import DataError
from conjure.domains.music.grids import LOWEST, from_tokens, part_of, phases, to_tokens
from conjure.domains.music.piece import LENGTH, LOUD, PITCH, START, TICKS, Part, Piece, Pieces, piece
from conjure.domains.music.separation import separate
from conjure.domains.music.voices import SHIFTS
from conjure.domains.protocol import Encoded

SIDE = 16  # a roll's height is a multiple of it, so that convolutions can halve it
MOST = 12  # keys a passage is learnt in


@dataclass(frozen=True)
class Span:
    """Pitches from low to high, and frames of a passage."""

    low: int
    high: int
    frames: int


class Melodies:
    """The highest voice of a piece in passages of one length, tokens (T,): silence, going on, or a pitch."""

    def __init__(self, step: int, transpose: bool, facts: Span):
        self.step, self.transpose, self.facts = step, transpose, facts
        self.vocab = facts.high - facts.low + 1 + LOWEST

    @classmethod
    def learn(cls, pieces: Pieces, step: int, frames: int, transpose: bool) -> Melodies:
        return cls(step, transpose, _span([_melody(p) for p in pieces], frames, transpose))

    def describe(self) -> str:
        f = self.facts
        return f"melodies of {f.frames} frames, {self.step} a quarter note, pitches {f.low}-{f.high}"

    def shifts(self, pieces: int) -> tuple[int, ...]:
        return tuple(SHIFTS)[:MOST] if self.transpose else (0,)

    def encode(self, pieces: Pieces, shifts: tuple[int, ...] = (0,)) -> Encoded:
        """x (B, T): every passage that begins with a bar; DataError where a piece has none."""
        rows = []
        for number, one in enumerate(pieces, 1):
            line = _melody(one)
            for start in _starts(line, self.step, self.facts.frames, number):
                for shift in shifts:
                    tokens = to_tokens(_clipped(line, self.facts, shift), self.facts.low, self.step)
                    part = _filled(part_of(tokens, start, start + self.facts.frames)[:, 0], self.facts.frames)
                    rows.append(part)
        return Encoded(torch.from_numpy(np.stack(rows).astype(np.int16)))

    def heard(self, one: Piece) -> Piece:
        """The whole melody of a piece on the grid."""
        return from_tokens(to_tokens(_melody(one), 0, self.step), 0, self.step, ("Melody",), meters=one.meters)

    def decode(self, x: Tensor) -> Pieces:
        made = (from_tokens(row[:, None], self.facts.low, self.step, ("Melody",)) for row in x.numpy())
        return Pieces(tuple(made))


class Rolls:
    """What sounds at each frame as a picture (1, T, P) of -1 and 1, whoever sounds it (as MuseGAN's bars are)."""

    def __init__(self, step: int, transpose: bool, facts: Span):
        self.step, self.transpose, self.facts = step, transpose, facts

    @classmethod
    def learn(cls, pieces: Pieces, step: int, frames: int, transpose: bool) -> Rolls:
        span = _span([separate(p) for p in pieces], frames, transpose)
        missing = -(span.high - span.low + 1) % SIDE
        low = max(0, span.low - missing // 2)
        return cls(step, transpose, Span(low, low + span.high - span.low + missing, frames))

    def describe(self) -> str:
        f = self.facts
        return f"piano rolls of {f.frames} frames by {f.high - f.low + 1} pitches from {f.low}"

    def shifts(self, pieces: int) -> tuple[int, ...]:
        return tuple(SHIFTS)[:MOST] if self.transpose else (0,)

    def encode(self, pieces: Pieces, shifts: tuple[int, ...] = (0,)) -> Encoded:
        """x (B, 1, T, P): every passage that begins with a bar."""
        f, rows = self.facts, []
        for number, one in enumerate(pieces, 1):
            line = separate(one)
            for start in _starts(line, self.step, f.frames, number):
                for shift in shifts:
                    heard = _heard(_clipped(line, f, shift), f, self.step)
                    rows.append(_filled(heard[start : start + f.frames], f.frames))
        x = np.stack(rows).astype(np.float32) * 2 - 1
        return Encoded(torch.from_numpy(x[:, None]))

    def heard(self, one: Piece) -> Piece:
        """All keys of a piece on the grid."""
        line = separate(one)
        span = Span(*(int(f(line.notes[:, PITCH])) for f in (np.min, np.max)), self.facts.frames)
        return _from_roll(_heard(line, span, self.step), span.low, self.step, line)

    def decode(self, x: Tensor) -> Pieces:
        """Notes where a picture is above 0; neighbours in time are one note."""
        blank = Piece(np.zeros((0, 5), np.int32), ())
        return Pieces(tuple(_from_roll(row, self.facts.low, self.step, blank) for row in (x[:, 0] > 0).numpy()))


def _from_roll(picture: np.ndarray, low: int, step: int, like: Piece) -> Piece:
    """A piece of what sounds, bool (T, P) from pitch `low` on, in the metres of another."""
    width, rows = TICKS // step, []
    edges = np.diff(np.pad(picture.astype(np.int8), ((1, 1), (0, 0))), axis=0)
    for p in np.flatnonzero(picture.any(0)).tolist():
        begins, ends = np.flatnonzero(edges[:, p] == 1), np.flatnonzero(edges[:, p] == -1)
        rows += [(a * width, (b - a) * width, p + low, LOUD, 0) for a, b in zip(begins.tolist(), ends.tolist())]
    return piece(np.array(rows, np.int32).reshape(-1, 5), (Part("Keys"),), meters=like.meters)


def _span(lines: list[Piece], frames: int, transpose: bool) -> Span:
    low, high = (f(int(f(p.notes[:, PITCH])) for p in lines) for f in (min, max))
    room = (SHIFTS[0], SHIFTS[-1]) if transpose else (0, 0)
    return Span(max(0, low + room[0]), min(127, high + room[1]), frames)


def _melody(one: Piece) -> Piece:
    line = separate(one)
    return piece(line.voice(0), (Part("Melody"),), meters=one.meters, name=one.name, label=one.label)


def _clipped(one: Piece, span: Span, shift: int) -> Piece:
    moved = one.transposed(shift)
    notes = moved.notes.copy()
    notes[:, PITCH] = np.clip(notes[:, PITCH], span.low, span.high)
    return piece(notes, moved.parts, meters=one.meters)


def _starts(one: Piece, step: int, frames: int, number: int) -> list[int]:
    """Frames at which passages begin: bars, one passage after the other; the first where there is but a short one."""
    count = -(-one.end * step // TICKS)
    bars = np.flatnonzero(phases(one, step, count)[0] == 0).tolist() or [0]
    starts, at = [], 0
    for bar in bars:
        if bar >= at and (bar + frames <= count or not starts):
            starts.append(bar)
            at = bar + frames
    if not starts:
        raise DataError(f"piece {number} holds no passage of {frames} frames")
    return starts


def _filled(part: np.ndarray, frames: int) -> np.ndarray:
    missing = frames - len(part)
    return np.pad(part, ((0, missing), *[(0, 0)] * (part.ndim - 1))) if missing else part.copy()


def _heard(one: Piece, span: Span, step: int) -> np.ndarray:
    width = TICKS // step
    heard = np.zeros((-(-one.end // width), span.high - span.low + 1), bool)
    for note in one.notes:
        first = note[START] // width
        heard[first : max(first + 1, (note[START] + note[LENGTH]) // width), note[PITCH] - span.low] = True
    return heard
