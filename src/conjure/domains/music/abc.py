"""Tunes in ABC (standard 2.1): read by symusic but for their chord symbols, which are read and written here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from conjure.domains.music import harmony
from conjure.domains.music.barred import Sounded, barred, sharps, spelt
from conjure.domains.music.midi import from_score, quiet, using_symusic
from conjure.domains.music.piece import TICKS, Key, Piece, Symbol, key_name

UNIT = Fraction(1, 8)
TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|(?P<grace>\{[^}]*\})|(?P<field>\[[A-Za-z]:[^\]]*\])|(?P<tuplet>\(\d(?::\d*){0,2})'
    r"|(?P<note>(?:\[(?:[\^_=]*[A-Ga-g][,']*[\d/]*-?)+\]|[\^_=]*[A-Ga-g][,']*|[zxZX]))(?P<length>\d*/*\d*)"
    r"|(?P<bar>:*\|[|:\]]*\s?\[?(?:[12](?![\d/]))?|::|\[[12])|(?P<broken>[<>]+)|(?P<other>!.*?!|.)",
    re.DOTALL,
)
IN_TIME_OF = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # p notes in the time of so many


def from_abc(path: Path, data: bytes) -> list[Piece]:
    """The tunes of an ABC file, each from its X: on."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    blocks = ["X:" + part for part in ("\n" + text).split("\nX:")[1:]]
    found = []
    for number, block in enumerate(blocks, 1):
        plain = re.sub(r'"[^"\n]*"', "", block)  # else symusic would write an accompaniment to the chords
        with quiet():
            score = using_symusic().Score.from_abc(plain.rstrip() + "\n")
        one = from_score(score, path.stem if len(blocks) == 1 else f"{path.stem}#{number}")
        names = re.findall(r'^V:.*?name="([^"]*)"', block, re.MULTILINE)
        if len(names) == len(one.parts):
            one = replace(one, parts=tuple(replace(part, name=n) for part, n in zip(one.parts, names)))
        found.append(_with_symbols(one, block) if '"' in block else one)
    return found


def to_abc(one: Piece) -> str:
    """The piece as a tune in ABC, a voice a part, with the chord symbols of a lead sheet over the first.

    Times are rounded to 32nds; drums are not written.
    """
    parts = [at for at, part in enumerate(one.parts) if not part.drums]
    key, (_, beats, value) = one.key, one.meters[0]
    lines = ["X:1", f"T:{one.name or 'Untitled'}", f"M:{beats}/{value}", f"L:{UNIT}", f"Q:1/4={one.tempos[0][1]:g}"]
    lines.append(f"K:{key_name(key)}")
    symbols = {max(0, s.tick): f'"{harmony.spell(s, key)}"' for s in one.symbols}
    for number, at in enumerate(parts, 1):
        if len(parts) > 1:
            lines += [f'V:{number} name="{one.parts[at].name}"', f"%%MIDI program {one.parts[at].program}"]
        written = _bars(one, at, symbols if at == parts[0] else {})
        lines += [" | ".join(written[row : row + 4]) + " |" for row in range(0, len(written), 4)]
        lines[-1] += "]"
    return "\n".join(lines) + "\n"


def _bars(one: Piece, part: int, symbols: dict[int, str]) -> list[str]:
    """What stands in each bar of a part."""
    key, found, meter = one.key, [], one.meters[0][1:]
    for bar in barred(one, part, symbols):
        signs = dict.fromkeys("CDEFGAB", 0) | _signature(key), dict[str, int]()
        words = [f"[M:{bar.meter[1]}/{bar.meter[2]}]"] if bar.meter[1:] != meter else []
        meter = bar.meter[1:]
        for chord in bar.chords:
            length = _length(Fraction(chord.size, 4 * TICKS) / UNIT)
            notes = [_note(note, key, signs) for note in chord.notes]
            ties = ["-" * note.after for note in chord.notes]
            if len(notes) > 1:
                sounds = "[" + "".join(note + tie for note, tie in zip(notes, ties)) + "]" + length
            else:
                sounds = notes[0] + length + ties[0] if notes else f"z{length}"
            words.append(symbols.get(chord.tick, "") + sounds)
        found.append(" ".join(words))
    return found


def _note(note: Sounded, key: Key, signs: tuple[dict[str, int], dict[str, int]]) -> str:
    """A note with the accidental it needs: of the key, and of what the bar has said before."""
    (letter, raised, octave), (altered, state) = spelt(note.pitch, key), signs
    name = letter + "," * (4 - octave) if octave <= 4 else letter.lower() + "'" * (octave - 5)
    sign = "" if state.get(name, altered[letter]) == raised else {-1: "_", 0: "=", 1: "^"}[raised]
    state[name] = raised
    return sign + name


def _signature(key: Key) -> dict[str, int]:
    count = sharps(key)
    return dict.fromkeys("FCGDAEB"[:count], 1) if count >= 0 else dict.fromkeys("BEADGCF"[:-count], -1)


def _length(units: Fraction) -> str:
    if units == 1:
        return ""
    return f"{units.numerator}" if units.denominator == 1 else f"{units.numerator}/{units.denominator}"


def _with_symbols(one: Piece, block: str) -> Piece:
    """The tune with its chord symbols; without them, and a remark, where its times could not be followed."""
    symbols, end = _symbols(block)
    if not symbols:
        return one
    if "[V:" in block or abs(end - one.end) > TICKS:
        said = "chord symbols are left out: the times of the tune do not add up"
        return replace(one, remarks=(*one.remarks, said))
    return replace(one, symbols=tuple(symbols))


def _symbols(block: str) -> tuple[list[Symbol], int]:
    """(chord symbols, the tick at which the tune ends), by adding up the lengths of notes and rests."""
    at, found = Fraction(0), []
    for item in _unfolded(list(_items(block))):
        if isinstance(item, Fraction):
            at += item
        elif isinstance(item, Symbol):
            found.append(replace(item, tick=round(at * 4 * TICKS)))
    kept = [s for place, s in enumerate(found) if not place or replace(found[place - 1], tick=s.tick) != s]
    return kept, round(at * 4 * TICKS)


def _items(block: str) -> Iterator[Symbol | Fraction | str]:
    """What a tune says in order: chord symbols, lengths of notes and rests (of whole notes), bar lines."""
    unit, bar, head = None, Fraction(1), True
    last, swing, tuplet = Fraction(0), Fraction(1), (Fraction(1), 0)
    for line in _first_voice(block):
        if field := re.match(r"([A-Za-z]):\s*(.*)", line):
            unit, bar = _told(field[1], field[2], unit, bar)
            head = head and field[1] != "K"
            continue
        for token in TOKEN.finditer(line) if not head else ():
            if token["field"]:
                unit, bar = _told(token["field"][1], token["field"][3:-1].strip(), unit, bar)
            elif token["quoted"] and (symbol := harmony.parse(token["quoted"])):
                yield symbol
            elif token["bar"]:
                yield token["bar"]
            elif token["tuplet"]:
                tuplet = _tuplet(token["tuplet"], bar)
            elif token["broken"]:  # the note before is made longer, the next one shorter, or the other way
                part = Fraction(1, 2 ** len(token["broken"]))
                longer = token["broken"][0] == ">"
                swing = part if longer else 2 - part
                yield last * ((1 - part) if longer else (part - 1))
            elif token["note"]:
                own = bar if token["note"] in "ZX" else unit or (Fraction(1, 16) if bar < Fraction(3, 4) else UNIT)
                last = own * _times(token["length"] or _inner(token["note"])) * (tuplet[0] if tuplet[1] else 1)
                tuplet = (tuplet[0], max(0, tuplet[1] - 1))
                yield last * swing
                swing = Fraction(1)


def _first_voice(block: str) -> Iterator[str]:
    """The lines of a tune without remarks, and without those of voices other than the first."""
    first = now = ""
    for line in block.splitlines():
        if found := re.match(r"V:\s*(\S+)", line):
            now = found[1]
            first = first or now
        elif now == first:
            yield line.split("%")[0]


def _unfolded(items: list[Symbol | Fraction | str]) -> Iterator[Symbol | Fraction | str]:
    """The items as they are played: repeats twice, with their first and second endings."""
    at, start, again, done = 0, 0, False, set[int]()
    while at < len(items):
        item = items[at]
        at += 1
        if not isinstance(item, str):
            yield item
            continue
        if item[:1] == ":" and at not in done:  # back to where the repeat began
            done.add(at)
            at, again = start, True
            continue
        if item.rstrip()[-1:] == "1" and again:  # on to the second ending
            at = next((k + 1 for k in range(at, len(items)) if str(items[k]).rstrip()[-1:] == "2"), len(items))
            start, again = at, False
        elif item[:1] == ":" or item.rstrip("[12 ")[-1:] == ":":
            start, again = at, False


def _told(field: str, text: str, unit: Fraction | None, bar: Fraction) -> tuple[Fraction | None, Fraction]:
    """Unit and bar after an L: or M: field."""
    whole = {"C": Fraction(1), "C|": Fraction(1)}
    found = re.match(r"(\d+)/(\d+)", text)
    value = whole.get(text) or (Fraction(int(found[1]), int(found[2])) if found and int(found[2]) else None)
    if field == "L" and value:
        return value, bar
    return unit, value if field == "M" and value else bar


def _tuplet(text: str, bar: Fraction) -> tuple[Fraction, int]:
    """(factor, notes it holds for) of (3, (3:2, (3:2:4."""
    words = [int(w) if w else 0 for w in text[1:].split(":")]
    notes = words[0]
    time = (words[1] if len(words) > 1 else 0) or IN_TIME_OF.get(notes, 3 if bar.numerator % 3 == 0 else 2)
    return Fraction(time, max(1, notes)), (words[2] if len(words) > 2 else 0) or notes


def _inner(note: str) -> str:
    """The length of a chord's first note, which may stand inside its brackets."""
    found = re.search(r"[A-Ga-g][,']*([\d/]+)", note)
    return found[1] if found and note[0] == "[" else ""


def _times(text: str) -> Fraction:
    """2, /2, 3/2, // as a factor."""
    number, slashes, below = re.fullmatch(r"(\d*)(/*)(\d*)", text).groups()  # type: ignore[union-attr]
    under = int(below) if below else 2 ** len(slashes)
    return Fraction(int(number or 1), max(1, under))
