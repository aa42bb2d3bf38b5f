"""Pieces for a reader and a listener: in words, as an engraved score or a piano roll, to play and to take home."""

from __future__ import annotations

import html
from contextlib import suppress
from itertools import islice

from conjure.core.errors import ConfigError
from conjure.domains.music import sound
from conjure.domains.music.engraving import to_musicxml, to_svg
from conjure.domains.music.midi import to_bytes
from conjure.domains.music.piece import LENGTH, PART, PITCH, START, TICKS, Piece, Pieces, bar_lines, key_name
from conjure.domains.shown import MOST, link, player

__all__ = ["WHOLE", "roll_svg", "to_html", "to_text"]

WHOLE = True  # all pieces go on one sheet, since a sheet holds so much sound and no more
PLAYERS, SECONDS, RATE = 4, 30.0, 11_025  # pieces to be heard, of each its beginning; samples a second
COLOURS = ("#2b5f9e", "#b5532a", "#3c8a4e", "#7d4f9b", "#9a7b1c", "#3b8c93", "#a23b5f", "#5d5d5d")
HIGH = 4  # points a semitone takes in a roll


def to_text(objects: Pieces) -> str:
    """A line a piece: bars, metre, key, notes by part; and what its certificate says."""
    return "\n".join(line for one in objects for line in (_words(one), *(f"  {line}" for line in _claims(one))))


def to_html(objects: Pieces | Piece) -> str:
    """Pieces one below the other: score, sound, files, certificate. The first four can be heard, each for half a
    minute.
    """
    pieces = [objects] if isinstance(objects, Piece) else list(islice(objects, MOST))
    parts = [_shown(one, number <= PLAYERS) for number, one in enumerate(pieces, 1)]
    more = 0 if isinstance(objects, Piece) else len(objects) - len(pieces)
    return "<hr>".join(parts) + (f"<p>{more:,} more</p>" if more else "")


def _words(one: Piece) -> str:
    bars = len(bar_lines(one))
    parts = ", ".join(f"{p.name or 'part'} {int((one.notes[:, PART] == k).sum())}" for k, p in enumerate(one.parts))
    return f"{bars} bars of {one.meters[0][1]}/{one.meters[0][2]} in {key_name(one.key)}: {parts} notes"


def _claims(one: Piece) -> list[str]:
    return [f"{name}: {text}" for name, text in one.certificate.items()]


def _shown(one: Piece, heard: bool) -> str:
    """One piece; as a piano roll where verovio is not installed."""
    files = [(to_musicxml(one, compressed=True), "piece.mxl", "application/vnd.recordare.musicxml", "MusicXML")]
    try:
        drawn = to_svg(one)
    except ConfigError:
        drawn = roll_svg(one)
    files.append((drawn.encode(), "piece.svg", "image/svg+xml", "SVG"))
    with suppress(ConfigError):  # without symusic no MIDI is written
        files.insert(0, (to_bytes(one), "piece.mid", "audio/midi", "MIDI"))
    played = f"<p>{player(sound.to_wav(one, RATE, SECONDS), one.name or 'piece')}</p>" if heard else ""
    said = "".join(f"<li>{html.escape(line)}</li>" for line in _claims(one))
    certificate = f'<ul class="certificate">{said}</ul>' if said else ""
    links = " · ".join(link(*file) for file in files)
    paper = "background:#fff;color:#000;overflow-x:auto"  # ink is black, whatever the page is
    return f'<p>{html.escape(_words(one))}</p><div style="{paper}">{drawn}</div>{played}<p>{links}</p>{certificate}'


def roll_svg(one: Piece, width: int = 900) -> str:
    """A piano roll as SVG: time to the right, pitch upwards, a colour a part, bar lines in grey."""
    if not len(one.notes):
        return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="10"></svg>'
    low, high = int(one.notes[:, PITCH].min()) - 1, int(one.notes[:, PITCH].max()) + 1
    scale = width / max(one.end, TICKS)
    height = (high - low + 1) * HIGH
    shapes = [
        f'<line x1="{tick * scale:.1f}" x2="{tick * scale:.1f}" y1="0" y2="{height}" stroke="#ddd"/>'
        for tick, _ in bar_lines(one)
        if tick >= 0
    ]
    for note in one.notes:
        x, y, w = note[START] * scale, (high - note[PITCH]) * HIGH, max(1.0, note[LENGTH] * scale - 0.5)
        colour = COLOURS[note[PART] % len(COLOURS)]
        shapes.append(f'<rect x="{x:.1f}" y="{y}" width="{w:.1f}" height="{HIGH}" fill="{colour}" rx="1"/>')
    title = html.escape(one.name or "piano roll")
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{title}</title>{"".join(shapes)}</svg>'
