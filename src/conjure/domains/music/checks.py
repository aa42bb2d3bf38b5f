"""Whether a piece is one, whether two are the same, and how long a passage of one stands in others, in any key."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from conjure.domains.music.piece import LENGTH, PART, PITCH, START, Piece


def valid(one: Piece) -> bool:
    """Whether there are notes, all of them pitches of MIDI with a length."""
    n = one.notes
    return bool(len(n) and (n[:, LENGTH] > 0).all() and (n[:, PITCH] >= 0).all() and (n[:, PITCH] < 128).all())


def same(one: Piece, other: Piece) -> bool:
    """Whether two pieces have the same notes in the same parts, whatever their velocities."""
    return bool(
        np.array_equal(one.notes[:, :3], other.notes[:, :3])
        and np.array_equal(one.notes[:, PART], other.notes[:, PART])
    )


def steps(one: Piece, part: int) -> np.ndarray:
    """A part as (interval to the next note, time to its start) for each note but the last, (n - 1, 2): in no key."""
    notes = one.voice(part)
    return np.diff(notes[:, [PITCH, START]], axis=0)


def runs(one: Piece, length: int) -> Iterator[tuple[bytes, int]]:
    """(run, tick) of every run of `length` notes of a part with pitches, as intervals and times between them."""
    for part in (at for at, kind in enumerate(one.parts) if not kind.drums):
        moves = np.ascontiguousarray(steps(one, part), np.int32)
        starts = one.voice(part)[:, START]
        for at in range(len(moves) - length + 2):
            yield moves[at : at + length - 1].tobytes(), int(starts[at])
