"""Parts that sound several notes at once, as voices of one note each: every note goes to the nearest free voice."""

from __future__ import annotations

import numpy as np

from conjure.core.errors import DataError
from conjure.domains.music.grids import overlaps
from conjure.domains.music.harmony import realised
from conjure.domains.music.piece import PART, PITCH, START, TICKS, Part, Piece, Pieces, piece

MOST = 8  # voices that a piece is separated into, unless a number is asked for
SLACK = TICKS // 8  # ticks that two notes of one voice may overlap: a player's legato


def pitched(pieces: Pieces) -> Pieces:
    """The pieces without those that are percussion only; DataError where none is left."""
    kept = [one for one in pieces if not all(part.drums for part in one.parts)]
    if not kept:
        first = pieces[0].name or "a piece" if len(pieces) else "nothing"
        raise DataError(f"{first} is percussion only, and voices need pitches: use --recipe events")
    return Pieces(tuple(kept), pieces.notes) if len(kept) < len(pieces) else pieces


def separate(one: Piece, voices: int = 0) -> Piece:
    """The piece without drums, as at most `voices` parts (0: as many as it needs, at most 8) of one note at a time.

    A piece whose parts each sound one note at a time keeps its parts. Else notes are given out in order of start, from
    the highest down, each to the free voice whose last note was nearest; voices are then put in order of height. A note
    that finds no free voice is left out. Chord symbols are four voices more. DataError for percussion alone.
    """
    one = realised(one, apart=True)
    drums = np.array([p.drums for p in one.parts], bool)
    notes = one.notes[~drums[one.notes[:, PART]]] if len(one.notes) else one.notes
    if not len(notes):
        raise DataError(f"{one.name or 'a piece'} is percussion only, and voices need pitches: use --recipe events")
    kept = sorted(set(notes[:, PART].tolist()))
    facts = {"meters": one.meters, "tempos": one.tempos, "name": one.name, "label": one.label}
    if len(kept) <= (voices or MOST) and not any(overlaps(notes[notes[:, PART] == at]) for at in kept):
        places = np.zeros(len(one.parts), int)
        places[kept] = np.arange(len(kept))
        rows = np.column_stack([notes[:, :PART], places[notes[:, PART]]])
        return piece(rows, tuple(one.parts[at] for at in kept), **facts)
    rows = _given_out(notes, voices or MOST)
    count = int(rows[:, PART].max()) + 1
    program = one.parts[int(np.bincount(notes[:, PART]).argmax())].program
    return piece(rows, tuple(Part(f"Voice {v + 1}", program) for v in range(count)), **facts)


def _given_out(notes: np.ndarray, voices: int) -> np.ndarray:
    """Notes (n, 5) with voices in the place of parts, and without those that found none."""
    order = np.lexsort((-notes[:, PITCH], notes[:, START]))
    free, last, sums = [0] * voices, [-1] * voices, np.zeros((voices, 2))
    rows = []
    for start, length, pitch, velocity, _ in notes[order].tolist():
        open_ = [v for v in range(voices) if free[v] <= start + SLACK and (last[v] < 0 or start >= free[v] - SLACK)]
        used = [v for v in open_ if last[v] >= 0]
        near = min(used, key=lambda v: abs(last[v] - pitch), default=None)
        fresh = next((v for v in open_ if last[v] < 0), None)
        if near is None or (fresh is not None and abs(last[near] - pitch) > 9):
            near = fresh if fresh is not None else near
        if near is None:
            continue
        free[near], last[near] = start + length, pitch
        sums[near] += (pitch, 1)
        rows.append((start, length, pitch, velocity, near))
    found = np.array(rows, np.int32)
    means = [sums[v, 0] / sums[v, 1] if sums[v, 1] else -1.0 for v in range(voices)]
    ranks = np.empty(voices, int)
    ranks[np.argsort(means)[::-1]] = np.arange(voices)
    found[:, PART] = ranks[found[:, PART]]
    return found
