"""Music whose score is known, as sound: the beginnings of chorales, played by the synthesiser of `domains/music`."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from conjure.domains.audio.sounds import RATE, Sound, Sounds, sound
from conjure.domains.music import embedded
from conjure.domains.music.piece import LENGTH, START, TICKS, Piece
from conjure.domains.music.sound import by_partials

PIECES, BEATS = 120, 16  # how many pieces, and quarter notes of each that are heard
LOUDEST = 0.9
LICENCE = embedded.LICENCE


@cache  # reading the scores takes music21 a quarter of a minute
def chorales() -> Sounds:
    """The first four bars or so of 120 of the chorales that come with music21, in four parts."""
    return Sounds(tuple(played(beginning(one)) for one in embedded.load("chorales", PIECES)))


def beginning(one: Piece, beats: int = BEATS) -> Piece:
    """The notes that begin within so many quarter notes, none longer than these."""
    end = beats * TICKS
    notes = one.notes[one.notes[:, START] < end].copy()
    notes[:, LENGTH] = np.minimum(notes[:, LENGTH], end - notes[:, START])
    return replace(one, notes=notes)


def played(one: Piece, rate: int = RATE) -> Sound:
    """A piece by additive synthesis, which needs no SoundFont and so is the same on every machine."""
    wave = by_partials(one, rate)
    return sound(LOUDEST * wave / max(1e-9, float(np.abs(wave).max(initial=0))), rate, name=one.name)
