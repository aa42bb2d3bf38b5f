"""Pieces as notation: MusicXML written here, engraved to SVG by verovio."""

from __future__ import annotations

import io
import itertools
import zipfile
import zlib
from xml.etree import ElementTree as ET

import numpy as np

from conjure.core.errors import ConfigError
from conjure.domains.music.piece import LENGTH, PITCH, START, TICKS, Key, Piece, bar_lines

DOCTYPE = '<?xml version="1.0" encoding="UTF-8"?>\n'
GRID = TICKS // 8  # ticks that notation is rounded to: a 32nd, unless triplets fit better
TYPES = {  # length in ticks -> name and dots
    96: ("whole", 0), 72: ("half", 1), 48: ("half", 0), 36: ("quarter", 1), 24: ("quarter", 0),
    18: ("eighth", 1), 12: ("eighth", 0), 9: ("16th", 1), 6: ("16th", 0), 3: ("32nd", 0),
}  # fmt: skip
SHARPS = {0: 0, 7: 1, 2: 2, 9: 3, 4: 4, 11: 5, 6: 6, 5: -1, 10: -2, 3: -3, 8: -4, 1: -5}  # of major keys
SPELT = {True: "C C# D D# E F F# G G# A A# B", False: "C Db D Eb E F Gb G Ab A Bb B"}


def to_svg(one: Piece) -> str:
    """The first page or pages of the engraved score, one SVG below the other in a single one."""
    try:
        import verovio
    except ImportError:
        raise ConfigError("an engraved score needs verovio: pip install 'conjure[music]'") from None
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
        ET.SubElement(ET.SubElement(entry, "score-instrument", id=f"P{number}-I1"), "instrument-name").text = part.name
        midi = ET.SubElement(entry, "midi-instrument", id=f"P{number}-I1")
        ET.SubElement(midi, "midi-channel").text = "10" if part.drums else str((number - 1) % 9 + 1)
        ET.SubElement(midi, "midi-program").text = str(part.program + 1)
    key, bars = one.key, bar_lines(one)
    for number, _ in enumerate(one.parts, 1):
        _write_part(ET.SubElement(root, "part", id=f"P{number}"), one, number - 1, (key, bars))
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


def _write_part(node: ET.Element, one: Piece, part: int, facts: tuple[Key, list[tuple[int, int]]]) -> None:
    key, bars = facts
    notes = one.voice(part)
    starts = np.rint(notes[:, START] / GRID).astype(int) * GRID
    ends = np.maximum(starts + GRID, np.rint((notes[:, START] + notes[:, LENGTH]) / GRID).astype(int) * GRID)
    middle = float(np.median(notes[:, PITCH])) if len(notes) else 60.0
    sounded = -1
    for number, (tick, size) in enumerate(bars):
        pickup = tick < 0
        bar = ET.SubElement(node, "measure", number=str(number if bars[0][0] < 0 else number + 1))
        if pickup:
            bar.set("implicit", "yes")
        meter = max((m for m in one.meters if m[0] <= tick), default=one.meters[0])
        if number == 0 or meter != sounded:
            _attributes(bar, (key if number == 0 else None, meter, middle if number == 0 else None))
        if number == 0 and part == 0:
            ET.SubElement(ET.SubElement(bar, "direction"), "sound", tempo=f"{one.tempos[0][1]:g}")
        sounded = meter
        _write_bar(bar, (np.maximum(starts, 0), ends, notes[:, PITCH]), (max(0, tick), tick + size), key)


def _attributes(bar: ET.Element, facts: tuple[Key | None, tuple[int, int, int], float | None]) -> None:
    key, meter, middle = facts
    node = ET.SubElement(bar, "attributes")
    ET.SubElement(node, "divisions").text = str(TICKS)
    if key is not None:
        sign = ET.SubElement(node, "key")
        ET.SubElement(sign, "fifths").text = str(SHARPS[(key[0] + 3 * key[1]) % 12])
        ET.SubElement(sign, "mode").text = "minor" if key[1] else "major"
    time = ET.SubElement(node, "time")
    ET.SubElement(time, "beats").text, ET.SubElement(time, "beat-type").text = str(meter[1]), str(meter[2])
    if middle is not None:
        clef = ET.SubElement(node, "clef")
        low = middle < 57
        ET.SubElement(clef, "sign").text, ET.SubElement(clef, "line").text = ("F", "4") if low else ("G", "2")


def _write_bar(
    bar: ET.Element, notes: tuple[np.ndarray, np.ndarray, np.ndarray], span: tuple[int, int], key: Key
) -> None:
    """What sounds between two ticks: chords are cut wherever any note begins or ends, and tied over the cuts."""
    starts, ends, pitches = notes
    begin, stop = span
    inside = (starts < stop) & (ends > begin)
    cuts = {begin, stop, *starts[inside].tolist(), *ends[inside].tolist()}
    edges = sorted(t for t in cuts if begin <= t <= stop)
    for first, last in itertools.pairwise(edges):
        at = first
        for size in _sizes(last - first):
            chord = np.flatnonzero(inside & (starts <= at) & (ends > at))
            if not len(chord):
                _note(bar, None, size, (False, False), (key, False))
            for place, row in enumerate(sorted(chord.tolist(), key=lambda r: pitches[r])):
                ties = (bool(starts[row] < at), bool(ends[row] > at + size))
                _note(bar, int(pitches[row]), size, ties, (key, place > 0))
            at += size


def _sizes(ticks: int) -> list[int]:
    """A length as lengths that notes can have, the longest first."""
    found = []
    while ticks > 0:
        size = next((s for s in TYPES if s <= ticks), ticks)
        found.append(size)
        ticks -= size
    return found


def _note(bar: ET.Element, pitch: int | None, size: int, ties: tuple[bool, bool], facts: tuple[Key, bool]) -> None:
    """One note or rest. ties: whether it goes on from one before, and into one after; facts: key, and in a chord."""
    key, chord = facts
    node = ET.SubElement(bar, "note")
    if chord:
        ET.SubElement(node, "chord")
    if pitch is None:
        ET.SubElement(node, "rest")
    else:
        sharp = SHARPS[(key[0] + 3 * key[1]) % 12] >= 0
        step, *sign = SPELT[sharp].split()[pitch % 12]
        spelt = ET.SubElement(node, "pitch")
        ET.SubElement(spelt, "step").text = step
        if sign:
            ET.SubElement(spelt, "alter").text = "1" if sign[0] == "#" else "-1"
        ET.SubElement(spelt, "octave").text = str(pitch // 12 - 1)
    ET.SubElement(node, "duration").text = str(size)
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
