"""Glyphs of DejaVu Sans and DejaVu Serif as pairs of pictures, drawn from the font files in the matplotlib wheel.

Usage in a benchmark: `from glyphs import glyphs, split`. DejaVu fonts: Bitstream Vera licence.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

SIDE, SIZE, BASELINE = 32, 22, 24  # pixels: picture, font, and where letters stand from the top
STYLES = ("sans", "serif")
TEST, VALIDATION = 400, 200


def glyphs() -> tuple[np.ndarray, np.ndarray]:
    """(code points (N,), pictures uint8 (2, N, 32, 32)): black on white, sans then serif, row by row a pair.

    Of the 3,243 code points both fonts have, those with ink in both. One baseline, one scale, and the middle of
    the advance width in the middle of the picture: places that each font's own metrics give.
    """
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    files = [folder / f"DejaVu{name.title()}.ttf" for name in STYLES]
    shared = sorted(set.intersection(*(set(TTFont(file).getBestCmap()) for file in files)))
    drawn = np.stack([_draw(file, shared) for file in files])
    inked = (drawn < 255).any((2, 3)).all(0)
    return np.array(shared)[inked], drawn[:, inked]


def split(count: int) -> dict[str, np.ndarray]:
    """Rows by part, the same each time: no code point of "sans" is in "serif", so that no pair is ever met."""
    order = np.random.default_rng(0).permutation(count)
    test, validation, rest = np.split(order, [TEST, TEST + VALIDATION])
    sans, serif = np.array_split(rest, 2)
    return {"sans": np.sort(sans), "serif": np.sort(serif), "validation": np.sort(validation), "test": np.sort(test)}


def _draw(file: Path, points: list[int]) -> np.ndarray:
    font = ImageFont.truetype(str(file), SIZE)
    made = np.empty((len(points), SIDE, SIDE), np.uint8)
    for row, point in enumerate(points):
        picture = Image.new("L", (SIDE, SIDE), 255)
        ImageDraw.Draw(picture).text((SIDE // 2, BASELINE), chr(point), font=font, fill=0, anchor="ms")
        made[row] = np.asarray(picture)
    return made
