"""The layout of sets: what sounds at each frame as a set of pitches, whoever sounds it: the frame-wise piano roll."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from conjure.core.errors import DataError
from conjure.domains.music.piece import LOUD, TICKS, Part, Piece, Pieces, piece
from conjure.domains.music.voices import SHIFTS
from conjure.domains.protocol import Encoded

LOWEST = 21  # the lowest of a piano's 88 keys, token 1
KEYS = 88


@dataclass(frozen=True)
class SetFacts:
    """notes: the most that sound at once in training; frames: of the longest piece."""

    notes: int
    frames: int


class Sets:
    """Pieces to rows (T, K): keys from the highest down as tokens 1 to 88, filled up with 0.

    With `upwards` a key is counted from the top, so that the lowest note is written first.
    """

    vocab = KEYS + 1

    def __init__(self, step: int, transpose: bool, upwards: bool, facts: SetFacts):
        self.step, self.transpose, self.upwards, self.facts = step, transpose, upwards, facts

    @classmethod
    def learn(cls, pieces: Pieces, step: int, transpose: bool, upwards: bool) -> Sets:
        found = [frames_of(p, step) for p in pieces]
        facts = SetFacts(max(1, *(len(f) for frames in found for f in frames)), max(map(len, found)))
        return cls(step, transpose, upwards, facts)

    def describe(self) -> str:
        f = self.facts
        return f"sets of up to {f.notes} of 88 keys, {self.step} frames a quarter note, up to {f.frames} frames"

    def shifts(self, pieces: int) -> tuple[int, ...]:
        return tuple(SHIFTS) if self.transpose else (0,)

    def encode(self, pieces: Pieces, shifts: tuple[int, ...] = (0,)) -> Encoded:
        """x (B, T, K) and its mask; DataError for more notes at once, or more frames, than training had."""
        found = [frames_of(p, self.step) for p in pieces]
        for number, frames in enumerate(found, 1):
            if (most := max(map(len, frames), default=0)) > self.facts.notes:
                raise DataError(f"piece {number} sounds {most} keys at once; training had at most {self.facts.notes}")
        frames = max(self.facts.frames, *map(len, found))
        base = np.zeros((len(found), frames, self.facts.notes), np.int16)
        mask = np.zeros(base.shape, bool)
        for row, one in enumerate(found):
            mask[row, : len(one)] = True
            for t, keys in enumerate(one):
                base[row, t, : len(keys)] = sorted(self._turned(np.array(list(keys))), reverse=True)
        x = np.concatenate([np.where(base > 0, np.clip(base + s, 1, KEYS), 0) for s in shifts])
        return Encoded(torch.from_numpy(x.astype(np.int16)), torch.from_numpy(np.concatenate([mask] * len(shifts))))

    def heard(self, one: Piece) -> Piece:
        """A piece as this layout writes it: keys in one part, on the grid."""
        return self.decode(self.encode(Pieces((one,))).x[:, : -(-one.end * self.step // TICKS)]).items[0]

    def decode(self, x: Tensor) -> Pieces:
        """Pieces in one part; a key that sounds in neighbouring frames is one note."""
        return Pieces(tuple(_from_sets(self._turned(row), TICKS // self.step) for row in x.numpy()))

    def _turned(self, keys: np.ndarray) -> np.ndarray:
        """Keys as tokens, or tokens as keys; 0 stays."""
        return np.where(keys > 0, KEYS + 1 - keys, 0) if self.upwards else keys


def frames_of(one: Piece, step: int) -> list[set[int]]:
    """Which of 88 keys, counted from 1, sound at the start of each frame."""
    width = TICKS // step
    frames: list[set[int]] = [set() for _ in range(-(-one.end // width))]
    for start, length, pitch, _, part in one.notes.tolist():
        if one.parts[part].drums or not LOWEST <= pitch < LOWEST + KEYS:
            continue
        for t in range(-(-start // width), -(-(start + length) // width)):
            frames[t].add(pitch - LOWEST + 1)
    return frames


def _from_sets(row: np.ndarray, width: int) -> Piece:
    roll = np.zeros((len(row) + 2, KEYS + 1), np.int8)
    for t, keys in enumerate(row, 1):
        roll[t, keys] = 1
    roll[:, 0] = 0
    changes = np.diff(roll, axis=0)
    rows = []
    for key in np.flatnonzero(roll.any(0)).tolist():
        starts, stops = np.flatnonzero(changes[:, key] == 1), np.flatnonzero(changes[:, key] == -1)
        rows += [
            (a * width, (b - a) * width, key + LOWEST - 1, LOUD, 0) for a, b in zip(starts.tolist(), stops.tolist())
        ]
    return piece(rows, (Part("Keys"),))
