"""The layout of voices: frames by voices, under metre, bars left, key, label, density and known notes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from conjure.core.errors import DataError
from conjure.domains.music import habits
from conjure.domains.music.grids import LOWEST, from_tokens, part_of, phases, to_tokens
from conjure.domains.music.piece import PITCH, START, TICKS, Meter, Part, Piece, Pieces, key_name
from conjure.domains.music.sections import Form
from conjure.domains.music.separation import separate
from conjure.domains.protocol import Encoded

PHASE, LEFT, KEY, LABEL, DENSITY, CHANNELS = range(6)  # columns of the condition before those of the voices
BARS = 32  # bars left are told apart up to here
DENSITIES = ("sparse", "medium", "dense")
SHIFTS = range(-5, 7)  # semitones: every key once
UNTOLD = (1 / 3, 1 / 2)  # shares of training rows whose key, whose density the model is not told
ROOM = 1 << 27  # cells of training rows at most; beyond that each piece is learnt in fewer keys


@dataclass(frozen=True)
class Plan:
    """What frame a sample is to fill: frames, metres, key (tonic, mode) or None, label, tempo, density (None: any)."""

    frames: int
    meters: tuple[Meter, ...]
    key: tuple[int, int] | None = None
    label: str = ""
    tempo: float = 100.0
    density: int | None = None
    step: int = 4
    ranges: tuple[tuple[int, int], ...] = ()  # of the voices in training
    form: Form | None = None
    programs: tuple[int, ...] = ()  # of the parts; none: as in training

    @property
    def frames_ticks(self) -> int:
        """Where it ends, in ticks."""
        return self.frames * TICKS // self.step


@dataclass
class Facts:
    """What the training pieces are like: all the layout knows of them."""

    low: int
    high: int
    frames: int
    parts: list[list[Any]]  # name and program of each voice
    ranges: list[list[int]]  # lowest and highest pitch each voice sounds
    labels: list[str] = field(default_factory=list)
    shapes: list[list[Any]] = field(default_factory=list)  # frames, metres, key, label and tempo of every piece
    thirds: list[float] = field(default_factory=list)  # notes a quarter note, between sparse, medium and dense
    faults: dict[str, int] = field(default_factory=dict)  # of voice leading, see `habits.py`


class Voices:
    """Pieces to rows of tokens (T, V) and back. T is the longest section; a mask says where a row ends."""

    def __init__(self, step: int, transpose: bool, facts: Facts):
        self.step, self.transpose, self.facts = step, transpose, facts
        self.voices = len(facts.parts)
        self.vocab = facts.high - facts.low + 1 + LOWEST
        phase = max([1, *(m[1] * 4 * step // m[2] for s in facts.shapes for m in s[1])])
        self.size = max(self.vocab + 1, phase + 1, BARS + 2, 25, len(facts.labels) + 1, len(DENSITIES) + 1)
        self.bar = phase  # frames of the longest bar

    @classmethod
    def learn(cls, pieces: Pieces, step: int, voices: int, frames: int, transpose: bool) -> Voices:
        """Ranges, names, metres and lengths from the training pieces; DataError where there are no pitches."""
        width = TICKS // step
        known = [separate(p, voices) for p in pieces]
        count = voices or min(8, max(len(p.parts) for p in known))
        wide = [p for p in known if len(p.parts) == count] or known
        names: list[list[Any]] = []
        for v in range(count):
            found = Counter((p.parts[v].name, p.parts[v].program) for p in wide if v < len(p.parts))
            names.append(list(found.most_common(1)[0][0]))
        ranges = []
        for v in range(count):
            pitches = np.concatenate([p.voice(v)[:, PITCH] for p in known])
            ranges.append([int(pitches.min()), int(pitches.max())] if len(pitches) else [60, 72])
        low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
        if transpose:
            low, high = max(0, low + SHIFTS[0]), min(127, high + SHIFTS[-1])
        lengths = [max(1, -(-p.end // width)) for p in known]
        shapes = [[min(n, frames), p.meters, list(p.key), p.label, p.tempos[0][1]] for n, p in zip(lengths, known)]
        thirds = np.quantile([len(p.notes) / max(1, p.end / TICKS) for p in known], [1 / 3, 2 / 3]).tolist()
        told = {"labels": list(pieces.labels), "shapes": shapes, "thirds": thirds, "faults": habits.counted(known)}
        facts = Facts(low, high, min(frames, max(lengths)), names, ranges, **told)
        return cls(step, transpose, facts)

    def describe(self) -> str:
        f = self.facts
        names = ", ".join(name or f"voice {v + 1}" for v, (name, _) in enumerate(f.parts))
        grid = f"{self.step} frames a quarter note, up to {f.frames}"
        return f"{self.voices} voices ({names}), pitches {f.low}-{f.high}, {grid}"

    def encode(self, pieces: Pieces, shifts: tuple[int, ...] = (0,), untold: bool = False) -> Encoded:
        """Rows x (B, T, V), mask alike, condition (B, T, 5 + V) with no voice known. With shifts, each in several keys.

        A piece longer than T is cut into sections where a bar begins. untold: key and density are left out of some
        conditions, as they are where nobody asks for them. DataError names a piece out of range.
        """
        frames = self.facts.frames
        rows: list[tuple[np.ndarray, np.ndarray]] = []
        for number, one in enumerate(pieces, 1):
            for shift in shifts:
                rows += self._sections(one, number, shift, len(shifts) > 1)
        x = np.zeros((len(rows), frames, self.voices), np.int16)
        mask = np.zeros(x.shape, bool)
        given = np.zeros((len(rows), frames, CHANNELS + self.voices), np.int16)
        for row, (tokens, told) in enumerate(rows):
            x[row, : len(tokens)], mask[row, : len(tokens)] = tokens, True
            given[row, : len(tokens), :CHANNELS] = told
        if untold:
            silent = np.random.default_rng(0).random((len(rows), 2)) < UNTOLD
            given[:, :, [KEY, DENSITY]] *= ~silent[:, None]
        return Encoded(torch.from_numpy(x), torch.from_numpy(mask), torch.from_numpy(given))

    def shifts(self, pieces: int) -> tuple[int, ...]:
        """In which keys each training piece is shown, so that all rows fit in memory."""
        if not self.transpose:
            return (0,)
        cells = max(1, pieces) * self.facts.frames * (2 * self.voices + CHANNELS)
        most = max(1, min(len(SHIFTS), ROOM // cells))
        near = sorted(SHIFTS, key=abs)[:most]
        return tuple(sorted(near))

    def decode(self, x: Tensor, plans: list[Plan]) -> Pieces:
        """Pieces of rows (N, T, V), each as long as its plan says."""
        names = tuple(name for name, _ in self.facts.parts)
        made = []
        for row, plan in zip(x.numpy(), plans):
            facts = {"meters": plan.meters, "tempos": ((0, plan.tempo),), "label": plan.label}
            one = from_tokens(row[: plan.frames], self.facts.low, self.step, names, **facts)
            programs = plan.programs or [program for _, program in self.facts.parts]
            made.append(replace(one, parts=tuple(map(Part, names, programs))))
        return Pieces(tuple(made))

    def frame(self, plans: list[Plan], known: list[np.ndarray | None] | None = None) -> Tensor:
        """The condition (N, T, 5 + V) of plans; known: tokens (T, V) of each, -1 where they are to be drawn."""
        given = np.zeros((len(plans), self.facts.frames, CHANNELS + self.voices), np.int64)
        for row, plan in enumerate(plans):
            blank = Piece(np.zeros((0, 5), np.int32), (), plan.meters)
            label = self.facts.labels.index(plan.label) + 1 if plan.label in self.facts.labels else 0
            key = 0 if plan.key is None else 1 + plan.key[0] + 12 * plan.key[1]
            density = 0 if plan.density is None else plan.density + 1
            given[row, : plan.frames, :CHANNELS] = self._told(blank, plan.frames, (key, label, density))
            if known is not None and (cells := known[row]) is not None:
                given[row, : len(cells), CHANNELS:] = cells[: self.facts.frames] + 1
        return torch.from_numpy(given)

    def tokens(self, one: Piece, frames: int | None = None) -> np.ndarray:
        """Tokens (T, v) of a piece with its own voices; DataError for a pitch out of range."""
        found = separate(one, self.voices)
        pitches = found.notes[:, PITCH]
        out = (pitches < self.facts.low) | (pitches > self.facts.high)
        if out.any():
            at = found.notes[int(np.argmax(out))]
            raise DataError(
                f"{one.name or 'a piece'} has pitch {at[PITCH]} at quarter note {at[START] / TICKS:g}; "
                f"this model knows pitches {self.facts.low} to {self.facts.high}"
            )
        return to_tokens(found, self.facts.low, self.step, frames)

    def heard(self, one: Piece) -> Piece:
        """A piece as this layout writes it: in voices, on the grid."""
        found = separate(one, self.voices)
        names = tuple(part.name for part in found.parts)
        return from_tokens(to_tokens(found, 0, self.step), 0, self.step, names, meters=one.meters)

    def adapt(self, pieces: Pieces) -> Pieces:
        """Pieces with notes out of range moved by octaves into it, and parts beyond the voices left out."""
        made = []
        for one in pieces:
            notes = one.notes.copy()
            below, above = notes[:, PITCH] < self.facts.low, notes[:, PITCH] > self.facts.high
            notes[below, PITCH] = self.facts.low + (notes[below, PITCH] - self.facts.low) % 12
            notes[above, PITCH] = self.facts.high - (self.facts.high - notes[above, PITCH]) % 12
            made.append(replace(one, notes=notes, label=one.label if one.label in self.facts.labels else ""))
        return Pieces(tuple(made), pieces.notes)

    def _sections(self, one: Piece, number: int, shift: int, moved: bool) -> list[tuple[np.ndarray, np.ndarray]]:
        """Tokens (t, V) and told (t, 5) of each section of a piece."""
        try:
            tokens = self.tokens(one)
        except DataError as error:
            raise DataError(f"piece {number}: {error}") from None
        if tokens.shape[1] < self.voices:
            tokens = np.pad(tokens, ((0, 0), (0, self.voices - tokens.shape[1])))
        tonic, mode = one.key
        if moved:
            tokens = np.where(tokens >= LOWEST, np.clip(tokens + shift, LOWEST, self.vocab - 1), tokens)
        label = self.facts.labels.index(one.label) + 1 if one.label in self.facts.labels else 0
        density = int(np.searchsorted(self.facts.thirds, len(one.notes) / max(1, one.end / TICKS))) + 1
        told = self._told(one, len(tokens), (1 + (tonic + shift) % 12 + 12 * mode, label, density))
        starts = np.flatnonzero(told[:, PHASE] == 1)
        cuts, at = [0], 0
        while len(tokens) - at > self.facts.frames:
            inside = starts[(starts > at) & (starts <= at + self.facts.frames)]
            at = int(inside[-1]) if len(inside) else at + self.facts.frames
            cuts.append(at)
        return [(part_of(tokens, a, b), told[a:b]) for a, b in zip(cuts, [*cuts[1:], len(tokens)])]

    def _told(self, one: Piece, frames: int, whole: tuple[int, int, int]) -> np.ndarray:
        """Phase, bars left, key, label and density of each frame, (T, 5)."""
        phase, left = phases(one, self.step, frames)
        columns = [np.minimum(phase + 1, self.bar), np.minimum(left, BARS + 1), *(np.full(frames, w) for w in whole)]
        return np.stack(columns, 1)

    def summary(self, plan: Plan) -> str:
        """A plan in words."""
        bars = phases(Piece(np.zeros((0, 5), np.int32), (), plan.meters), self.step, plan.frames)[1].max(initial=0)
        key = "any key" if plan.key is None else key_name(plan.key)
        return f"{bars} bars of {plan.meters[0][1]}/{plan.meters[0][2]} in {key}"
