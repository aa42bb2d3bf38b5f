"""Clips for the screen and the page: moving sheets, film strips, HTML, shades in a terminal."""

from __future__ import annotations

import base64
import html
import math
import tempfile
from pathlib import Path

import numpy as np

from conjure.domains.image.pictures import Images
from conjure.domains.image.view import to_text as shades
from conjure.domains.video import files
from conjure.domains.video.clips import Clips

GAP = 2
SIDE = 64  # small frames are enlarged to about this side, in whole steps
SHEET = 100  # clips on a sheet
WHOLE = True


def sheet(objects: Clips, columns: int | None = None) -> np.ndarray:
    """The first 100 clips side by side as one, uint8 (T, H, W, 3); shorter ones rest on their last frame."""
    shown = list(objects)[:SHEET]
    columns = columns or math.ceil(math.sqrt(len(shown)))
    frames, height, width = (max(c.shape[axis] for c in shown) for axis in (0, 1, 2))
    zoom = max(1, SIDE // max(height, width))
    down, across = height * zoom + GAP, width * zoom + GAP
    out = np.full((frames, math.ceil(len(shown) / columns) * down + GAP, columns * across + GAP, 3), 128, np.uint8)
    for at, clip in enumerate(shown):
        top, left = GAP + at // columns * down, GAP + at % columns * across
        large = clip.repeat(zoom, 1).repeat(zoom, 2)
        large = large[np.minimum(np.arange(frames), len(clip) - 1)]
        out[:, top : top + large.shape[1], left : left + large.shape[2]] = large
    return out


def strip(clip: np.ndarray) -> np.ndarray:
    """The frames of a clip (T, H, W, C) from left to right, (H, T (W + 1) - 1, C), a grey line between them."""
    gap = np.full((clip.shape[1], 1, clip.shape[3]), 128, np.uint8)
    return np.concatenate([part for frame in clip for part in (frame, gap)][:-1], 1)


def to_gif(objects: Clips) -> bytes:
    """A moving sheet as the bytes of a GIF file."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "sheet.gif"
        files.save(sheet(objects), place, objects.rate)
        return place.read_bytes()


def to_html(objects: Clips | np.ndarray, caption: str = "") -> str:
    """A moving sheet, or one clip, as an HTML image that needs no file."""
    objects = objects if isinstance(objects, Clips) else Clips([objects])
    words = html.escape(caption or f"{len(objects)} clips")
    data = base64.b64encode(to_gif(objects)).decode()
    return f'<img alt="{words}" title="{words}" src="data:image/gif;base64,{data}">'


def to_text(objects: Clips, most: int = 2) -> str:
    """Some frames of the first clips in shades for a terminal, and how many more there are."""
    parts = []
    for row in range(min(most, len(objects))):
        clip = objects[row]
        at = np.unique(np.linspace(0, len(clip) - 1, 3).round().astype(int))
        title = objects.name(row) if objects.labels is None else str(objects.labels[row])
        frames = Images([clip[t] for t in at], names=tuple(f"{title}, frame {t + 1} of {len(clip)}" for t in at))
        parts.append(shades(frames))
    more = len(objects) - len(parts)
    return "\n\n".join(parts) + (f"\n\n({more} more; -o FILE.gif writes them all)" if more > 0 else "")
