"""What a score is here: notes with their parts, metre and tempo; times are whole ticks, TICKS to a quarter note."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from conjure.domains.shown import Shown

TICKS = 24  # to a quarter note: divides into 32nds and triplets of semiquavers
START, LENGTH, PITCH, VELOCITY, PART = range(5)  # columns of Piece.notes
LOUD = 80  # the velocity of notes whose file says nothing
NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

Meter = tuple[int, int, int]  # from which tick on; beats; note value of a beat. The first may start before 0: an upbeat
Key = tuple[int, int]  # tonic 0-11, C = 0; 0 for major and 1 for minor

# How much each degree is heard in major and minor (Krumhansl & Kessler 1982, as printed in Krumhansl 1990, p. 30).
MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])


@dataclass(frozen=True)
class Part:
    """One line of the score. program: General MIDI, 0-127."""

    name: str = ""
    program: int = 0
    drums: bool = False


@dataclass(frozen=True)
class Symbol:
    """A chord symbol from a tick on: pitch classes of root and bass (C = 0), and its kind as in `harmony.py`."""

    tick: int
    root: int
    kind: str
    bass: int


@dataclass(frozen=True)
class Piece(Shown):
    """One score. notes: int32 (N, 5), each start, length, pitch (MIDI number), velocity, part; in order of start.

    tempos: (from which tick on, quarter notes a minute). symbols: chords written over the notes of a lead sheet.
    """

    notes: np.ndarray
    parts: tuple[Part, ...]
    meters: tuple[Meter, ...] = ((0, 4, 4),)
    tempos: tuple[tuple[int, float], ...] = ((0, 100.0),)
    name: str = ""
    label: str = ""
    symbols: tuple[Symbol, ...] = ()
    remarks: tuple[str, ...] = field(default=(), compare=False)
    certificate: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def end(self) -> int:
        """The tick at which the last note ends."""
        return int((self.notes[:, START] + self.notes[:, LENGTH]).max()) if len(self.notes) else 0

    @property
    def key(self) -> Key:
        """The key whose profile the notes, weighted by length, correlate with most (Krumhansl 1990, chapter 4)."""
        return find_key(self)

    def voice(self, part: int) -> np.ndarray:
        """The notes of one part, (n, 5)."""
        return self.notes[self.notes[:, PART] == part]

    def transposed(self, semitones: int) -> Piece:
        """Every note moved, but for those of drums."""
        notes = self.notes.copy()
        moved = ~np.array([p.drums for p in self.parts], bool)[notes[:, PART]]
        notes[moved, PITCH] = np.clip(notes[moved, PITCH] + semitones, 0, 127)
        up = semitones % 12
        symbols = (replace(s, root=(s.root + up) % 12, bass=(s.bass + up) % 12) for s in self.symbols)
        return replace(self, notes=notes, symbols=tuple(symbols))


@dataclass(frozen=True)
class Pieces(Shown, Sequence):
    """Pieces in order, with remarks on files that were left out."""

    items: tuple[Piece, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Piece]:
        return iter(self.items)

    def __getitem__(self, row):
        return Pieces(self.items[row], self.notes) if isinstance(row, slice) else self.items[row]

    def take(self, rows: Sequence[int] | np.ndarray) -> Pieces:
        return Pieces(tuple(self.items[int(r)] for r in rows), self.notes)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels there are, in order of the alphabet; none where all pieces have the same."""
        found = sorted({p.label for p in self.items})
        return tuple(found) if len(found) > 1 else ()


def piece(notes: np.ndarray | list[tuple[int, ...]], parts: tuple[Part, ...], **facts) -> Piece:
    """A piece with its notes in order: by start, then part, then pitch."""
    array = np.asarray(notes, np.int32).reshape(-1, 5)
    key = array[:, START].astype(np.int64)
    key <<= 32
    key += (array[:, PART] << 8) + array[:, PITCH]
    return Piece(array.take(key.argsort(kind="stable"), 0), parts, **facts)


def find_key(one: Piece) -> Key:
    """See `Piece.key`; C major where there are no pitches."""
    drums = np.array([p.drums for p in one.parts], bool)
    notes = one.notes[~drums[one.notes[:, PART]]] if len(one.notes) else one.notes
    if not len(notes):
        return (0, 0)
    heard = np.bincount(notes[:, PITCH] % 12, notes[:, LENGTH], 12)
    if heard.std() == 0:
        return (0, 0)
    fits = [[np.corrcoef(np.roll(profile, tonic), heard)[0, 1] for tonic in range(12)] for profile in (MAJOR, MINOR)]
    mode, tonic = np.unravel_index(int(np.argmax(fits)), (2, 12))
    return int(tonic), int(mode)


def key_name(key: Key) -> str:
    """D, or Dm."""
    return NAMES[key[0]] + ("m" if key[1] else "")


def bar_lines(one: Piece, end: int | None = None) -> list[tuple[int, int]]:
    """(tick, length in ticks) of every bar up to `end`; the first may begin before 0 (an upbeat)."""
    end = one.end if end is None else end
    lines, meters = [], one.meters or ((0, 4, 4),)
    for place, (start, beats, value) in enumerate(meters):
        stop = meters[place + 1][0] if place + 1 < len(meters) else max(end, start + 1)
        size = max(1, beats * 4 * TICKS // value)
        lines += [
            (tick, min(size, stop - tick) if place + 1 < len(meters) else size) for tick in range(start, stop, size)
        ]
    return lines


def changes(found: list[tuple]) -> tuple:
    """Events in order, one a tick, without those that repeat the one before; the first from the start on."""
    if len(found) == 1 and found[0][1] > 0:
        return ((0, *found[0][1:]),)
    kept: list[tuple] = []
    for event in sorted({e[0]: e for e in found}.values()):
        if event[1:] != (kept[-1][1:] if kept else None) and event[1] > 0:
            kept.append(event)
    return tuple((0, *e[1:]) if place == 0 else e for place, e in enumerate(kept))
