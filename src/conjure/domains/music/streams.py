"""MusicXML and humdrum, by music21: its streams to pieces."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from conjure.core.errors import ConfigError
from conjure.domains.music import harmony
from conjure.domains.music.piece import LOUD, TICKS, Part, Piece, Symbol, changes, piece

ROUNDED = "microtones are rounded to the nearest semitone"
KIND_OF = {xml: kind for kind, (_, xml) in harmony.KINDS.items() if kind}


def _music21() -> Any:
    try:
        import music21
    except ImportError:
        raise ConfigError("MusicXML and humdrum need music21: pip install 'conjure[music]'") from None
    return music21


def from_notation(path: Path, data: bytes) -> list[Piece]:
    """The scores of a MusicXML (plain or zipped) or humdrum file."""
    music21 = _music21()
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        if data[:2] == b"PK" or data.lstrip()[:1] == b"<":
            kind = "musicxml" if data[:2] != b"PK" else None
            whole = music21.converter.parse(path if kind is None else data.decode("utf-8", "replace"), format=kind)
        else:
            whole = music21.converter.parse(data.decode("utf-8", "replace"), format="humdrum")
    scores = whole.scores if isinstance(whole, music21.stream.Opus) else [whole]
    found = [from_stream(score, path.stem) for score in scores]
    names = _spines(data)
    return [_named(one, names) for one in found] if names else found


def _spines(data: bytes) -> list[str]:
    """The names of humdrum's spines, from the highest part down; none for other files."""
    line = next((row for row in data.splitlines() if row.startswith(b'*I"')), b"")
    return [cell.decode("utf-8", "replace")[3:] for cell in line.split(b"\t") if cell[:3] == b'*I"'][::-1]


def _named(one: Piece, names: list[str]) -> Piece:
    if len(names) != len(one.parts):
        return one
    return replace(one, parts=tuple(replace(part, name=name) for part, name in zip(one.parts, names)))


def from_stream(score: Any, name: str) -> Piece:
    """A music21 score: its parts, and the voices of a part that has several, become parts here."""
    music21 = _music21()
    rows: list[list[int]] = []
    parts: list[Part] = []
    symbols: list[Symbol] = []
    odd = False
    streams = list(score.parts) or [score]
    for stream in streams:
        instrument = stream.getInstrument(returnDefault=True)
        program = int(getattr(instrument, "midiProgram", None) or 0)
        drums = isinstance(instrument, music21.instrument.UnpitchedPercussion)
        voices: dict[str, int] = {}
        open_: dict[tuple[str, int], int] = {}  # notes tied over, by voice and pitch -> row
        for voice, offset, element in _elements(stream, music21):
            if isinstance(element, music21.harmony.Harmony):
                symbols += _symbol(element, _ticks(offset), music21)
                continue
            if element.duration.isGrace:
                continue
            if voice not in voices:
                voices[voice] = len(parts)
                title = stream.partName or ""
                parts.append(Part(title if len(voices) == 1 else f"{title} {len(voices)}", program, drums))
            start, stop = _ticks(offset), _ticks(offset + element.quarterLength)
            for note in element.notes if hasattr(element, "notes") else (element,):
                if not hasattr(note, "pitch"):  # unpitched percussion
                    continue
                odd = odd or note.pitch.ps != round(note.pitch.ps)
                pitch, tie = round(note.pitch.ps), note.tie.type if note.tie else None
                at = open_.pop((voice, pitch), None) if tie in ("stop", "continue") else None
                if at is not None:
                    rows[at][1] = stop - rows[at][0]
                else:
                    at = len(rows)
                    rows.append([start, max(1, stop - start), pitch, note.volume.velocity or LOUD, voices[voice]])
                if tie in ("start", "continue"):
                    open_[voice, pitch] = at
    remarks = (ROUNDED,) if odd else ()
    facts = {"meters": _meters(streams[0], music21), "tempos": _tempos(score, music21), "symbols": tuple(symbols)}
    return piece(np.array(rows, np.int32).reshape(-1, 5), tuple(parts), name=name, remarks=remarks, **facts)


def _symbol(element: Any, tick: int, music21: Any) -> list[Symbol]:
    """A chord symbol of a lead sheet, none for N.C. and for what has no root (Roman numerals)."""
    if isinstance(element, music21.harmony.NoChord) or not isinstance(element, music21.harmony.ChordSymbol):
        return []
    root, bass = element.root(), element.bass()
    kind = KIND_OF.get(element.chordKind) or harmony.parse("C" + (element.chordKindStr or ""), tick)
    if root is None or kind is None:
        return []
    name = kind if isinstance(kind, str) else kind.kind
    return [Symbol(tick, root.pitchClass, name, (bass or root).pitchClass)]


def _elements(stream: Any, music21: Any) -> Iterator[tuple[str, Any, Any]]:
    """(voice, offset in the part, note or chord) of a part, bar by bar."""
    bars = list(stream.getElementsByClass(music21.stream.Measure)) or [stream]
    for bar in bars:
        start = bar.offset if bar is not stream else 0
        for note in bar.notes:
            yield "1", start + note.offset, note
        for place, voice in enumerate(bar.voices, 1):
            for note in voice.notes:
                yield str(place), start + voice.offset + note.offset, note


def _ticks(quarters: float | Fraction) -> int:
    return round(Fraction(quarters) * TICKS)


def _meters(stream: Any, music21: Any) -> tuple:
    """Time signatures, the first one moved back by what an upbeat lacks of a bar."""
    found = [
        (_ticks(m.getOffsetInHierarchy(stream)), m.numerator, m.denominator)
        for m in stream.recurse().getElementsByClass(music21.meter.TimeSignature)
    ]
    meters = changes(found) or ((0, 4, 4),)
    measures = list(stream.getElementsByClass(music21.stream.Measure))
    if measures:
        size = meters[0][1] * 4 * TICKS // meters[0][2]
        first = _ticks(measures[0].highestTime)
        if len(measures) > 1:
            first = _ticks(measures[1].getOffsetInHierarchy(stream))
        if 0 < first < size:
            meters = ((first - size, *meters[0][1:]), *meters[1:])
    return meters


def _tempos(score: Any, music21: Any) -> tuple:
    found = []
    for mark in score.recurse().getElementsByClass(music21.tempo.MetronomeMark):
        if mark.number:
            found.append((_ticks(mark.getOffsetInHierarchy(score)), float(mark.getQuarterBPM() or mark.number)))
    return changes(found) or ((0, 100.0),)
