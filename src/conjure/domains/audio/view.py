"""Recordings for the screen and the page: a player above the wave's outline, a line of loudness in a terminal."""

from __future__ import annotations

import base64
import html

import numpy as np

from conjure.domains.audio import files
from conjure.domains.audio.sounds import FULL, Sound, Sounds

WIDE, HIGH = 320, 48  # points of an outline
BARS = " ▁▂▃▄▅▆▇█"
COLUMNS = 40  # of a terminal's line


def to_wav(one: Sound) -> bytes:
    """A WAV file of 16 bits, mono."""
    return files.to_wav(one)


def to_html(one: Sound) -> str:
    """A player that needs no file, above the outline of the wave."""
    words = html.escape(one.label or one.name or "sound")
    data = base64.b64encode(to_wav(one)).decode()
    return (
        f'<figure style="margin:0"><figcaption>{words}, {one.seconds:.2f} s</figcaption>{outline_svg(one)}<br>'
        f'<audio controls preload="none" src="data:audio/wav;base64,{data}"></audio></figure>'
    )


def outline_svg(one: Sound) -> str:
    """The wave's highest and lowest sample in each of 160 stretches of time, as an SVG."""
    parts = np.array_split(one.samples, min(WIDE // 2, max(1, len(one))))
    step, middle = WIDE / len(parts), HIGH / 2
    lines = []
    for k, part in enumerate(parts):
        low, high = (middle - middle * float(v) / FULL for v in (part.min(), part.max()))
        lines.append(f"M{k * step + step / 2:.1f} {high - 0.3:.1f}V{low + 0.3:.1f}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDE}" height="{HIGH}" viewBox="0 0 {WIDE} {HIGH}" '
        f'role="img"><path d="{"".join(lines)}" stroke="#2b5f9e" stroke-width="1.4"/></svg>'
    )


def to_text(objects: Sounds) -> str:
    """A line a recording: its class or file, length, peak, and how loud it is over time."""
    lines = []
    for row, one in enumerate(objects):
        peak = 20 * np.log10(max(1, int(np.abs(one.samples.astype(np.int32)).max(initial=0))) / FULL)
        parts = np.array_split(one.wave, min(COLUMNS, max(1, len(one))))
        loud = [20 * np.log10(max(1e-6, float(np.sqrt(np.mean(part**2))))) for part in parts]
        bars = "".join(BARS[int(np.clip((level + 60) / 60 * 8, 0, 8))] for level in loud)
        lines.append(f"{one.label or objects.name(row):<12} {one.seconds:5.2f} s  peak {peak:5.1f} dB  {bars}")
    return "\n".join(lines)
