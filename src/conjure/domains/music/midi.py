"""MIDI, by symusic: its scores to pieces and back."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from conjure.core.errors import ConfigError, DataError
from conjure.domains.music.harmony import realised
from conjure.domains.music.piece import LENGTH, PART, PITCH, START, TICKS, VELOCITY, Part, Piece, changes

LONGEST = 12 * 3600 * 4 * TICKS  # ticks; a note beyond twelve hours at 240 a minute is a broken file's

BENT = "pitch bends are left out: notes are whole semitones"


def using_symusic() -> Any:
    """The library; ConfigError where it is not installed."""
    try:
        import symusic
    except ImportError:
        raise ConfigError("reading and writing scores needs symusic: pip install 'conjure[music]'") from None
    return symusic


def from_midi(path: Path, data: bytes) -> list[Piece]:
    """The score of a MIDI file."""
    return [from_score(using_symusic().Score.from_midi(data), path.stem)]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing on the terminal from parsers in C, which speak past Python."""
    sys.stdout.flush()
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        for place, old in enumerate(kept, 1):
            os.dup2(old, place)
            os.close(old)
        os.close(nowhere)


def from_score(score: Any, name: str) -> Piece:
    """A symusic score, which is used up; times are rounded to the nearest tick of ours."""
    scale = TICKS / score.ticks_per_quarter
    notes, counts, parts, bent = None, [], [], False
    for track in score.tracks:
        if not (count := len(own := track.notes)):
            continue
        if notes is None:
            notes = own
        else:
            notes.extend(own)
        counts.append(count)
        parts.append(_part(track.name.strip("\0 "), track.program, track.is_drum))
        bent = bent or len(track.pitch_bends) > 0
    meters = changes([(round(m.time * scale), m.numerator, m.denominator) for m in score.time_signatures])
    tempos = changes([(round(t.time * scale), float(t.qpm)) for t in score.tempos])
    remarks = (BENT,) if bent else ()
    rows = np.zeros((0, 5), np.int32) if notes is None else _rows(notes.numpy(), counts, scale, name)
    return Piece(rows, tuple(parts), meters or ((0, 4, 4),), tempos or ((0, 100.0),), name, remarks=remarks)


_part = lru_cache(4096)(Part)  # of many files few differ


def _rows(columns: dict[str, np.ndarray], counts: list[int], scale: float, name: str) -> np.ndarray:
    """Notes int32 (n, 5) as `piece` puts them in order, of parts of so many each; times brought to ticks of ours.

    DataError for times that only a broken file has.
    """
    starts, lengths = columns["time"], columns["duration"]
    if scale != 1:
        ends = np.rint((starts + lengths) * scale)
        starts = np.rint(starts * scale)
        lengths = ends - starts
    rows = np.empty((5, len(starts)), np.int32)
    rows[START], rows[PITCH], rows[VELOCITY] = starts, columns["pitch"], columns["velocity"]
    rows[LENGTH] = np.maximum(lengths, 1)
    rows[PART] = np.arange(len(counts)).repeat(counts) if len(counts) > 1 else 0
    order = starts * 2.0**16 + (rows[PART] * 128 + rows[PITCH])  # whole numbers far below 2 ** 53
    found = rows.T.take(order.argsort(kind="stable"), 0)
    at = min(int(found[0, START]), 0) or max(int(found[-1, START]), int(np.maximum.reduce(rows[LENGTH])))
    if at < 0 or at > LONGEST:
        raise DataError(f"{name} has a note at {at // TICKS} quarter notes: it is broken")
    return found


def to_midi(one: Piece, path: Path) -> None:
    """The piece as a MIDI file."""
    path.write_bytes(to_bytes(one))


def to_bytes(one: Piece) -> bytes:
    """What a MIDI file of the piece holds."""
    return to_symusic(one).dumps_midi()


def to_symusic(one: Piece) -> Any:
    """The piece as a symusic score of TICKS to a quarter note, chord symbols as block chords."""
    symusic, one = using_symusic(), realised(one)
    score = symusic.Score(TICKS)
    upbeat = one.meters[0][0]
    for start, beats, value in one.meters:
        score.time_signatures.append(symusic.TimeSignature(max(0, start), beats, value))
    if upbeat < 0:
        score.markers.append(symusic.TextMeta(0, f"upbeat of {(upbeat % _bar(one.meters[0])) / TICKS:g} quarter notes"))
    for start, qpm in one.tempos:
        score.tempos.append(symusic.Tempo(start, qpm=qpm))
    for at, part in enumerate(one.parts):
        track = symusic.Track(part.name, part.program, part.drums)
        rows = one.voice(at)
        columns = [np.ascontiguousarray(rows[:, c], np.int32) for c in (START, LENGTH)]
        small = [np.ascontiguousarray(rows[:, c], np.int8) for c in (PITCH, VELOCITY)]
        track.notes = symusic.Note.from_numpy(*columns, *small, symusic.TimeUnit.tick)
        score.tracks.append(track)
    return score


def _bar(meter: tuple[int, int, int]) -> int:
    return meter[1] * 4 * TICKS // meter[2]
