"""Pieces as humdrum's **kern: a spine a part, from the lowest to the highest, a line a moment."""

from __future__ import annotations

from fractions import Fraction

from conjure.domains.music.barred import Bar, Chord, Sounded, barred, sharps, spelt
from conjure.domains.music.piece import TICKS, Key, Piece

SIGNS = {-1: "-", 0: "", 1: "#"}
ORDER = "fcgdaeb"  # in which sharps are added to a key


def to_kern(one: Piece) -> str:
    """The piece as **kern. Times are rounded to 32nds; drums are not written."""
    parts = [at for at in range(len(one.parts) - 1, -1, -1) if not one.parts[at].drums]
    key, lines = one.key, []
    if one.name:
        lines.append(f"!!!OTL: {one.name}")
    every = lambda text: "\t".join([text] * len(parts))  # noqa: E731
    lines.append(every("**kern"))
    lines.append("\t".join(f'*I"{one.parts[at].name or f"Part {at + 1}"}' for at in parts))
    lines.append("\t".join("*clefF4" if _low(one, at) else "*clefG2" for at in parts))
    lines += [every(_signature(key)), every(f"*MM{one.tempos[0][1]:g}")]
    bars = [barred(one, at) for at in parts]
    meter = None
    for row in zip(*bars):
        lines.append(every(f"={row[0].number}" if row[0].number else "=0-"))
        if row[0].meter[1:] != meter:
            meter = row[0].meter[1:]
            lines.append(every(f"*M{meter[0]}/{meter[1]}"))
        lines += _bar(row, key)
    return "\n".join([*lines, every("=="), every("*-")]) + "\n"


def _bar(row: tuple[Bar, ...], key: Key) -> list[str]:
    """A line for every tick at which a part has something to say."""
    said: dict[int, list[str]] = {}
    for place, bar in enumerate(row):
        for chord in bar.chords:
            said.setdefault(chord.tick, ["."] * len(row))[place] = _chord(chord, key)
    return ["\t".join(said[tick]) for tick in sorted(said)]


def _chord(chord: Chord, key: Key) -> str:
    length = _length(chord.size)
    return " ".join(_note(note, length, key) for note in chord.notes) if chord.notes else f"{length}r"


def _note(note: Sounded, length: str, key: Key) -> str:
    """Lower case from the middle c up, doubled for each octave above; capitals below."""
    letter, raised, octave = spelt(note.pitch, key)
    name = letter.lower() * (octave - 3) if octave >= 4 else letter * (4 - octave)
    opened, closed = "[" * (note.after and not note.before), "]" * (note.before and not note.after)
    return f"{opened}{length}{name}{SIGNS[raised]}{closed}{'_' * (note.before and note.after)}"


def _length(ticks: int) -> str:
    """A whole note over the length, with dots; 24 ticks are a quarter: 4, 36 are 4."""
    for dots, share in enumerate((Fraction(1), Fraction(3, 2), Fraction(7, 4))):
        value = Fraction(4 * TICKS) * share / ticks
        if value.denominator == 1:
            return f"{value}{'.' * dots}"
    return f"{Fraction(4 * TICKS, ticks).numerator}%{Fraction(4 * TICKS, ticks).denominator}"


def _signature(key: Key) -> str:
    count = sharps(key)
    altered = ORDER[:count] if count >= 0 else ORDER[::-1][:-count]
    return "*k[" + "".join(letter + ("#" if count > 0 else "-") for letter in altered) + "]"


def _low(one: Piece, part: int) -> bool:
    pitches = one.voice(part)[:, 2]
    return bool(len(pitches)) and float(pitches.mean()) < 57
