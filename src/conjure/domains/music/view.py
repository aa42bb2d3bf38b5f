"""Pieces for a reader: in words, as an engraved score, as a piano roll."""

from __future__ import annotations

import html

from conjure.core.errors import ConfigError
from conjure.domains.music.engraving import to_svg
from conjure.domains.music.piece import LENGTH, PART, PITCH, START, TICKS, Piece, Pieces, bar_lines, key_name
from conjure.domains.music.sound import to_wav

__all__ = ["roll_svg", "to_html", "to_text", "to_wav"]

COLOURS = ("#2b5f9e", "#b5532a", "#3c8a4e", "#7d4f9b", "#9a7b1c", "#3b8c93", "#a23b5f", "#5d5d5d")
HIGH = 4  # points a semitone takes in a roll


def to_text(objects: Pieces) -> str:
    """A line a piece: bars, metre, key, notes by part; and what its certificate says."""
    lines = []
    for one in objects:
        bars = len(bar_lines(one))
        parts = ", ".join(f"{p.name or 'part'} {int((one.notes[:, PART] == k).sum())}" for k, p in enumerate(one.parts))
        lines.append(f"{bars} bars of {one.meters[0][1]}/{one.meters[0][2]} in {key_name(one.key)}: {parts} notes")
        lines += [f"  {name}: {text}" for name, text in one.certificate.items()]
    return "\n".join(lines)


def to_html(one: Piece) -> str:
    """One piece as its engraved score; as a piano roll where verovio is not installed."""
    try:
        return to_svg(one)
    except ConfigError:
        return roll_svg(one)


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
