"""Form: sections of equal bars, some of which repeat an earlier one, as it was or varied."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from conjure.core.errors import ConfigError
from conjure.domains.music.grids import HOLD
from conjure.domains.music.piece import LENGTH, PART, PITCH, START, TICKS, Piece

LETTERS = "capital letters such as AABA or ABAC, and small ones for a repeat that is varied: AaBA"
KEPT = 0.6  # about this share of the beats of a varied repeat stay as they were


@dataclass(frozen=True)
class Form:
    """text: a letter a section. bars and frames: of each section. sources: of each frame the one it repeats, or -1."""

    text: str
    bars: int
    frames: int
    sources: tuple[int, ...]

    @classmethod
    def of(cls, text: str, bars: int, size: int, step: int) -> Form:
        """bars: of each section; size: frames of a bar; step: frames of a beat, by which varied repeats are cut."""
        length = bars * size
        sources = np.full(len(text) * length, -1)
        for place, letter in enumerate(text):
            first = text.upper().index(letter.upper())
            if first == place:
                continue
            kept = np.ones(length, bool)
            if letter.islower():
                beats = -(-length // step)
                drawn = np.random.default_rng((place, first)).random(beats) >= KEPT
                drawn[beats // 2] = True  # at least one
                kept = ~np.repeat(drawn, step)[:length]
            part = np.where(kept, np.arange(length) + first * length, -1)
            sources[place * length : (place + 1) * length] = part
        return cls(text, bars, length, tuple(sources.tolist()))

    def allowed(self, frame: int, voice: int, x: np.ndarray, vocab: int) -> np.ndarray:
        """Which tokens a frame may hold, bool (N, vocab), by what is written, x (N, T, V).

        A section begins with notes of its own, so that its repeat sounds the same wherever it stands.
        """
        source = self.sources[frame] if frame < len(self.sources) else -1
        found = np.ones((len(x), vocab), bool)
        if source >= 0:
            return np.arange(vocab) == x[:, source, voice, None]
        if frame % self.frames == 0:
            found[:, HOLD] = False
        return found

    def certificate(self, one: Piece, step: int) -> str:
        """What is true of the finished notes."""
        size = self.frames * TICKS // step
        said = []
        for place, letter in enumerate(self.text):
            first = self.text.upper().index(letter.upper())
            if first == place:
                continue
            mine, theirs = (_section(one, at * size, size) for at in (place, first))
            share = len(mine & theirs) / max(1, len(mine | theirs))
            bars, of = (_bars(at * self.bars + 1, self.bars) for at in (place, first))
            verb = "is" if self.bars == 1 else "are"
            if letter.islower():
                said.append(f"{bars} {'varies' if self.bars == 1 else 'vary'} {of} ({share:.0%} of the notes the same)")
            elif share < 1:
                return f"does not hold: {bars} {verb} not {of} ({share:.0%} of the notes the same)"
            else:
                said.append(f"{bars} {verb} {of}")
        size = "1 bar" if self.bars == 1 else f"{self.bars} bars"
        return f"holds: {self.text} in sections of {size}" + "".join(f"; {s}" for s in said)


def parse_form(text: object) -> str:
    """The letters of a form; A' is written as a: a repeat that is varied. ConfigError for anything else."""
    found = re.sub("([A-Z])['\u2019]", lambda m: m[1].lower(), str(text).strip())
    if not re.fullmatch(r"[A-Za-z]{1,26}", found):
        raise ConfigError(f"form is {str(text)!r}; forms are written in {LETTERS}")
    for place, letter in enumerate(found):
        if letter.islower() and letter.upper() not in found[:place].upper():
            raise ConfigError(f"form is {text!r}: the varied {letter!r} has no {letter.upper()!r} before it")
    return found


def _bars(first: int, count: int) -> str:
    return f"bar {first}" if count == 1 else f"bars {first}-{first + count - 1}"


def _section(one: Piece, start: int, size: int) -> set[tuple[int, ...]]:
    """Notes that begin in a stretch of time, by start in it, length, pitch and part."""
    inside = (one.notes[:, START] >= start) & (one.notes[:, START] < start + size)
    rows = one.notes[inside][:, [START, LENGTH, PITCH, PART]] - [start, 0, 0, 0]
    return {tuple(row) for row in rows.tolist()}
