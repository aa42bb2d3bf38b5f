"""Pictures for the screen and the page: contact sheets, HTML, shades in a terminal."""

from __future__ import annotations

import base64
import html
import io
import math
from typing import Any

import numpy as np

from conjure.domains.image.pictures import Images

GAP = 2
SIDE = 48  # small pictures are enlarged to about this side, in whole steps, so that pixels stay square
SHEET = 400  # pictures on a sheet
SHADES = " .:-=+*#%@"
WHOLE = True


def contact_sheet(objects: Images, columns: int | None = None) -> Any:
    """The first 400 pictures side by side, as a PIL image; each in a cell of the largest one's size."""
    from PIL import Image

    shown = list(objects)[:SHEET]
    columns = columns or math.ceil(math.sqrt(len(shown)))
    height, width = (max(p.shape[axis] for p in shown) for axis in (0, 1))
    zoom = max(1, SIDE // max(height, width))
    down, across = height * zoom + GAP, width * zoom + GAP
    sheet = np.full((math.ceil(len(shown) / columns) * down + GAP, columns * across + GAP, 3), 128, np.uint8)
    for at, picture in enumerate(shown):
        top, left = GAP + at // columns * down, GAP + at % columns * across
        large = picture.repeat(zoom, 0).repeat(zoom, 1)
        sheet[top : top + large.shape[0], left : left + large.shape[1]] = large
    return Image.fromarray(sheet)


def to_png(objects: Images) -> bytes:
    """A contact sheet as the bytes of a PNG file."""
    file = io.BytesIO()
    contact_sheet(objects).save(file, format="PNG")
    return file.getvalue()


def to_html(objects: Images | np.ndarray, caption: str = "") -> str:
    """A contact sheet, or one picture, as an HTML image that needs no file."""
    objects = objects if isinstance(objects, Images) else Images([objects])
    data = base64.b64encode(to_png(objects)).decode()
    words = html.escape(caption or f"{len(objects)} images")
    return f'<img alt="{words}" title="{words}" src="data:image/png;base64,{data}">'


def to_text(objects: Images, most: int = 8, width: int = 32) -> str:
    """The first pictures in ten shades for a terminal, each under its label."""
    parts = []
    for row, picture in enumerate(list(objects)[:most]):
        step = max(1, math.ceil(picture.shape[1] / width))
        grey = picture[::step, ::step].mean(2) / 256
        lines = ["".join(SHADES[int(v * len(SHADES))] * 2 for v in line) for line in grey]
        title = objects.name(row) if objects.labels is None else str(objects.labels[row])
        parts.append("\n".join([title, *lines]))
    more = len(objects) - len(parts)
    return "\n\n".join(parts) + (f"\n\n({more} more; -o FILE.png writes them all)" if more > 0 else "")
