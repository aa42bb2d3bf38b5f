"""MIDI and ABC, by symusic: its scores to pieces and back."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from conjure.core.errors import ConfigError, DataError
from conjure.domains.music.piece import LENGTH, PART, PITCH, START, TICKS, VELOCITY, Part, Piece, changes, piece

LONGEST = 12 * 3600 * 4 * TICKS  # ticks; a note beyond twelve hours at 240 a minute is a broken file's


def _symusic() -> Any:
    try:
        import symusic
    except ImportError:
        raise ConfigError("reading and writing scores needs symusic: pip install 'conjure[music]'") from None
    return symusic


def from_midi(path: Path, data: bytes) -> list[Piece]:
    """The score of a MIDI file."""
    return [from_score(_symusic().Score.from_midi(data), path.stem)]


def from_abc(path: Path, data: bytes) -> list[Piece]:
    """The tunes of an ABC file, each from its X: on."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    blocks = ["X:" + part for part in ("\n" + text).split("\nX:")[1:]]
    found = []
    for number, block in enumerate(blocks, 1):
        with quiet():
            score = _symusic().Score.from_abc(block.rstrip() + "\n")
        found.append(from_score(score, path.stem if len(blocks) == 1 else f"{path.stem}#{number}"))
    return found


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
    """A symusic score; times are rounded to the nearest tick of ours."""
    tpq = score.ticks_per_quarter
    columns: list[dict[str, np.ndarray]] = []
    parts, bent = [], False
    for track in score.tracks:
        found = track.notes.numpy()
        if not len(found["time"]):
            continue
        columns.append(found)
        parts.append(Part(track.name.strip("\0 "), int(track.program), bool(track.is_drum)))
        bent = bent or len(track.pitch_bends) > 0
    notes = _rows(columns, TICKS / tpq)
    if len(notes) and (
        notes[:, START].min() < 0 or notes[:, START].max() > LONGEST or notes[:, LENGTH].max() > LONGEST
    ):
        raise DataError(f"{name} has a note at {int(notes[:, START].max()) // TICKS} quarter notes, so it is broken")
    meters = changes([(round(m.time * TICKS / tpq), m.numerator, m.denominator) for m in score.time_signatures])
    tempos = changes([(round(t.time * TICKS / tpq), float(t.qpm)) for t in score.tempos])
    remarks = ("pitch bends are left out: notes are whole semitones",) if bent else ()
    facts = {"meters": meters or ((0, 4, 4),), "tempos": tempos or ((0, 100.0),)}
    return piece(notes, tuple(parts), name=name, remarks=remarks, **facts)


def _rows(columns: list[dict[str, np.ndarray]], scale: float) -> np.ndarray:
    """Notes (n, 5) of the columns of each part, times brought to ticks of ours and rounded."""
    if not columns:
        return np.zeros((0, 5), np.int32)
    time, length, pitch, velocity = (
        np.concatenate([c[key] for c in columns]) if len(columns) > 1 else columns[0][key]
        for key in ("time", "duration", "pitch", "velocity")
    )
    rows = np.empty((len(time), 5), np.int64)
    rows[:, START] = np.rint(time * scale)
    rows[:, LENGTH] = np.maximum(1, np.rint((time + length.astype(np.int64)) * scale) - rows[:, START])
    rows[:, PITCH], rows[:, VELOCITY] = pitch, velocity
    rows[:, PART] = np.repeat(np.arange(len(columns)), [len(c["time"]) for c in columns])
    return rows


def to_midi(one: Piece, path: Path) -> None:
    """The piece as a MIDI file."""
    path.write_bytes(to_bytes(one))


def to_bytes(one: Piece) -> bytes:
    """What a MIDI file of the piece holds."""
    return to_symusic(one).dumps_midi()


def to_abc(one: Piece) -> str:
    """The piece as a tune in ABC, a voice a part."""
    with quiet():
        return to_symusic(one).dumps_abc()


def to_symusic(one: Piece) -> Any:
    """The piece as a symusic score of TICKS to a quarter note; an upbeat is shown by a short first bar."""
    symusic = _symusic()
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
