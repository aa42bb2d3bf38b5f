"""Pieces as notation: MusicXML written here, engraved to SVG by verovio."""

from __future__ import annotations

import io
import zipfile
import zlib
from xml.etree import ElementTree as ET

import numpy as np

from conjure.core.errors import ConfigError
from conjure.domains.music.barred import TYPES, Sounded, barred, sharps, spelt
from conjure.domains.music.harmony import KINDS, letter
from conjure.domains.music.instruments import name_of
from conjure.domains.music.piece import PITCH, TICKS, Key, Piece, Symbol, bar_lines

DOCTYPE = '<?xml version="1.0" encoding="UTF-8"?>\n'
MOST = 1000  # bars that are engraved


def to_svg(one: Piece) -> str:
    """The first page or pages of the engraved score, one SVG below the other in a single one."""
    try:
        import verovio
    except ImportError:
        raise ConfigError("an engraved score needs verovio: pip install 'conjure[music]'") from None
    if (bars := len(bar_lines(one))) > MOST:
        raise ConfigError(f"the piece has {bars} bars; at most {MOST} are engraved: cut it, or write .mxl")
    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    seed = zlib.crc32(one.notes.tobytes()) >> 1 or 1  # of names within the picture: alike at each look, apart on a page
    page = {"adjustPageHeight": True, "pageHeight": 60000, "breaks": "auto", "scale": 40, "footer": "none"}
    toolkit.setOptions({**page, "xmlIdSeed": seed})
    if not toolkit.loadData(to_musicxml(one, compressed=False).decode("utf-8")):
        raise ConfigError("verovio could not engrave this piece")
    return toolkit.renderToSVG(1)


def to_musicxml(one: Piece, compressed: bool) -> bytes:
    """MusicXML 4.0, partwise; as .mxl (a zip) when compressed. Times are rounded to 32nds."""
    root = ET.Element("score-partwise", version="4.0")
    if one.name:
        ET.SubElement(ET.SubElement(root, "work"), "work-title").text = one.name
    listing = ET.SubElement(root, "part-list")
    for number, part in enumerate(one.parts, 1):
        entry = ET.SubElement(listing, "score-part", id=f"P{number}")
        ET.SubElement(entry, "part-name").text = part.name or f"Part {number}"
        played = "drums" if part.drums else name_of(part.program)
        ET.SubElement(ET.SubElement(entry, "score-instrument", id=f"P{number}-I1"), "instrument-name").text = played
        midi = ET.SubElement(entry, "midi-instrument", id=f"P{number}-I1")
        ET.SubElement(midi, "midi-channel").text = "10" if part.drums else str((number - 1) % 9 + 1)
        ET.SubElement(midi, "midi-program").text = str(part.program + 1)
    for number, _ in enumerate(one.parts, 1):
        _write_part(ET.SubElement(root, "part", id=f"P{number}"), one, number - 1)
    text = (DOCTYPE + ET.tostring(root, encoding="unicode")).encode("utf-8")
    if not compressed:
        return text
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(
            "META-INF/container.xml",
            DOCTYPE + '<container><rootfiles><rootfile full-path="score.musicxml"/></rootfiles></container>',
        )
        file.writestr("score.musicxml", text)
    return out.getvalue()


def _write_part(node: ET.Element, one: Piece, part: int) -> None:
    key, pitches = one.key, one.voice(part)[:, PITCH]
    middle = float(np.median(pitches)) if len(pitches) else 60.0
    symbols = {max(0, s.tick): s for s in one.symbols} if part == 0 else {}
    meter = None
    for place, bar in enumerate(barred(one, part, symbols)):
        measure = ET.SubElement(node, "measure", number=str(bar.number))
        if bar.number == 0:
            measure.set("implicit", "yes")
        if bar.meter != meter:
            meter = bar.meter
            _attributes(measure, (None if place else key, meter, None if place else middle))
        if place == part == 0:
            ET.SubElement(ET.SubElement(measure, "direction"), "sound", tempo=f"{one.tempos[0][1]:g}")
        for chord in bar.chords:
            if chord.tick in symbols:
                _harmony(measure, symbols[chord.tick], key)
            if not chord.notes:
                _note(measure, None, chord.size, (key, False))
            for number, note in enumerate(chord.notes):
                _note(measure, note, chord.size, (key, number > 0))


def _harmony(measure: ET.Element, symbol: Symbol, key: Key) -> None:
    """A chord symbol over what comes next."""
    node = ET.SubElement(measure, "harmony")
    for name, pc in (("root", symbol.root), ("bass", symbol.bass)):
        if name == "bass":
            kind = ET.SubElement(node, "kind", text=symbol.kind)
            kind.text = KINDS[symbol.kind][1]
            if symbol.bass == symbol.root:
                break
        step, sign = letter(pc, key)
        tone = ET.SubElement(node, name)
        ET.SubElement(tone, f"{name}-step").text = step
        if sign:
            ET.SubElement(tone, f"{name}-alter").text = {"#": "1", "b": "-1"}[sign]


def _attributes(bar: ET.Element, facts: tuple[Key | None, tuple[int, int, int], float | None]) -> None:
    key, meter, middle = facts
    node = ET.SubElement(bar, "attributes")
    ET.SubElement(node, "divisions").text = str(TICKS)
    if key is not None:
        sign = ET.SubElement(node, "key")
        ET.SubElement(sign, "fifths").text = str(sharps(key))
        ET.SubElement(sign, "mode").text = "minor" if key[1] else "major"
    time = ET.SubElement(node, "time")
    ET.SubElement(time, "beats").text, ET.SubElement(time, "beat-type").text = str(meter[1]), str(meter[2])
    if middle is not None:
        clef = ET.SubElement(node, "clef")
        low = middle < 57
        ET.SubElement(clef, "sign").text, ET.SubElement(clef, "line").text = ("F", "4") if low else ("G", "2")


def _note(bar: ET.Element, note: Sounded | None, size: int, facts: tuple[Key, bool]) -> None:
    """One note or rest; facts: the key, and whether it belongs to the chord of the note before."""
    key, chord = facts
    node = ET.SubElement(bar, "note")
    if chord:
        ET.SubElement(node, "chord")
    if note is None:
        ET.SubElement(node, "rest")
    else:
        letter, raised, octave = spelt(note.pitch, key)
        pitch = ET.SubElement(node, "pitch")
        ET.SubElement(pitch, "step").text = letter
        if raised:
            ET.SubElement(pitch, "alter").text = str(raised)
        ET.SubElement(pitch, "octave").text = str(octave)
    ET.SubElement(node, "duration").text = str(size)
    ties = (note.before, note.after) if note else (False, False)
    kinds = [kind for kind, there in zip(("stop", "start"), ties) if there]
    for kind in kinds:
        ET.SubElement(node, "tie", type=kind)
    if size in TYPES:
        name, dots = TYPES[size]
        ET.SubElement(node, "type").text = name
        for _ in range(dots):
            ET.SubElement(node, "dot")
    if kinds:
        notations = ET.SubElement(node, "notations")
        for kind in kinds:
            ET.SubElement(notations, "tied", type=kind)
